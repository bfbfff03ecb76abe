import { Component, type ReactNode } from "react";

/** Stands in for the page when rendering it failed, instead of an empty window. */
export class Crash extends Component<{ children: ReactNode }, { crashed: boolean }> {
  override state = { crashed: false };

  static getDerivedStateFromError() {
    return { crashed: true };
  }

  override render() {
    if (!this.state.crashed) return this.props.children;
    return (
      <main className="page crash">
        <h1>This page has stopped working</h1>
        <p>Your account and your session are safe. Reloading usually helps.</p>
        <a className="button button-primary" href="/">
          Reload
        </a>
      </main>
    );
  }
}

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type BrowserContext, chromium } from "@playwright/test";

const FLAGS = [
  "--headless",
  "--remote-debugging-port=0",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/**
 * Chromium as people have it, in a profile of its own. The one that Playwright starts has its switches set so that every
 * tab is visible and focused: none is ever hidden, throttled, frozen or kept for the way back.
 */
export class Chromium {
  readonly context: BrowserContext;
  readonly #process: ChildProcess;
  readonly #profile: string;

  private constructor(context: BrowserContext, process: ChildProcess, profile: string) {
    this.context = context;
    this.#process = process;
    this.#profile = profile;
  }

  static async start(path: string): Promise<Chromium> {
    const profile = await mkdtemp(join(tmpdir(), "countersign-profile-"));
    const child = spawn(path, [...FLAGS, `--user-data-dir=${profile}`, "about:blank"], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    // A run that is broken off leaves none behind.
    const end = () => child.kill();
    process.once("exit", end);
    child.once("exit", () => process.off("exit", end));
    for await (const line of createInterface(child.stderr)) {
      const endpoint = /^DevTools listening on (ws:\S+)/.exec(line)?.[1];
      if (endpoint === undefined) continue;
      child.stderr.resume();
      const browser = await chromium.connectOverCDP(endpoint, { noDefaults: true });
      const [context] = browser.contexts();
      if (context === undefined) break;
      return new Chromium(context, child, profile);
    }
    throw new Error("Chromium did not start");
  }

  async stop(): Promise<void> {
    const ended = once(this.#process, "exit");
    this.#process.kill();
    await ended;
    await rm(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

import type { User } from "@countersign/client";
import { useState } from "react";
import { Link, NavLink, Outlet } from "react-router";
import { client, isAboutToKnow, isSignedIn, mayActAs, useSession } from "./client.ts";
import { chooseTheme, useTheme } from "./theme.ts";
import { Button } from "./ui/button.tsx";
import { ConnectionBanner } from "./ui/connection-banner.tsx";
import { Logo } from "./ui/logo.tsx";
import { RolePill } from "./ui/role-pill.tsx";
import { SessionNews } from "./ui/session-news.tsx";

/** The frame around every page: skip link, header with navigation, state of the connection, footer. */
export function Layout() {
  const session = useSession();
  return (
    <>
      <a className="skip-link" href="#content">
        Skip to the content
      </a>
      <header className="header">
        <Link className="brand" to="/">
          <Logo />
          Countersign
        </Link>
        <nav className="nav" aria-label="Main">
          <NavLink to="/" end>
            Overview
          </NavLink>
          <NavLink to="/tabs">Tabs</NavLink>
          {session.user && <MemberLinks user={session.user} />}
          <a href="/graphiql">GraphiQL</a>
        </nav>
        <div className="header-end">
          {session.user && <Who user={session.user} />}
          {!isAboutToKnow(session) && !isSignedIn(session) && (
            <Link className="button button-plain" to="/sign-in">
              Sign in
            </Link>
          )}
          <ThemeToggle />
        </div>
      </header>
      <ConnectionBanner />
      <SessionNews />
      <main id="content" tabIndex={-1}>
        <Outlet />
      </main>
      <footer className="footer">
        <p>The server signs; the browser countersigns.</p>
        <p>
          <a href="/.well-known/jwks.json">Public keys (JWKS)</a>
        </p>
      </footer>
    </>
  );
}

function MemberLinks({ user }: { user: User }) {
  return (
    <>
      <NavLink to="/token">Token</NavLink>
      <NavLink to="/account">Account</NavLink>
      <NavLink to="/sessions">Sessions</NavLink>
      <NavLink to="/audit">Audit</NavLink>
      {mayActAs(user.role, "MANAGER") && <NavLink to="/people">People</NavLink>}
    </>
  );
}

function Who({ user }: { user: User }) {
  const [leaving, setLeaving] = useState(false);
  return (
    <>
      <span className="who">
        <span className="visually-hidden">Signed in as </span>
        <span className="who-name" title={user.name}>
          {user.name}
        </span>{" "}
        <RolePill role={user.role} />
      </span>
      <Button
        busy={leaving}
        onClick={() => {
          setLeaving(true);
          void client.logout().finally(() => setLeaving(false));
        }}
      >
        Sign out
      </Button>
    </>
  );
}

function ThemeToggle() {
  const other = useTheme() === "dark" ? "light" : "dark";
  return (
    <button
      type="button"
      className="theme-toggle"
      aria-label={`Use the ${other} theme`}
      onClick={() => chooseTheme(other)}
    >
      <svg viewBox="0 0 24 24" width="20" height="20" aria-hidden="true">
        <circle cx="12" cy="12" r="8.5" fill="none" stroke="currentColor" strokeWidth="2" />
        <path d="M12 3.5a8.5 8.5 0 0 1 0 17z" fill="currentColor" />
      </svg>
    </button>
  );
}

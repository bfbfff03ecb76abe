import { Link } from "react-router";
import { isAboutToKnow, useSession } from "../client.ts";
import { Page } from "../ui/page.tsx";
import { Seal } from "../ui/seal.tsx";

/** The front page: what Countersign is, and where to go from here. */
export function OverviewPage() {
  return (
    <Page
      title="Overview"
      className="overview"
      heading={
        <>
          The server signs.
          <br />
          The browser <em>countersigns</em>.
        </>
      }
      lead="Countersign keeps people signed in without asking a database who they are on every request, and signs them out everywhere the moment it has to."
    >
      <Start />
      <Seal />
      <ul className="promises">
        <li>
          <h2>Checked where you stand</h2>
          <p>
            Each token carries a signature that this page verifies itself, in WebAssembly, against
            the server’s public keys. No look-up, no waiting.
          </p>
        </li>
        <li>
          <h2>Renewed in silence</h2>
          <p>
            Access tokens live for minutes. The page renews its own before they run out, through
            sleep, bad networks and wrong clocks.
          </p>
        </li>
        <li>
          <h2>Tamper, and it shows</h2>
          <p>
            Change one character and neither this page nor the server will have it. The token page
            lets you try.
          </p>
        </li>
        <li>
          <h2>Taken back at once</h2>
          <p>
            End a session or change a role, and every open page knows within the second. What the
            old token said is refused from the next request on.
          </p>
        </li>
      </ul>
    </Page>
  );
}

function Start() {
  const session = useSession();
  if (session.user) {
    return (
      <div className="actions">
        <Link className="button button-primary" to="/token">
          See your token
        </Link>
        <Link className="button button-plain" to="/account">
          Your account
        </Link>
      </div>
    );
  }
  return (
    <div className="actions" data-waiting={isAboutToKnow(session) || undefined}>
      <Link className="button button-primary" to="/register">
        Create an account
      </Link>
      <Link className="button button-plain" to="/sign-in">
        Sign in
      </Link>
    </div>
  );
}

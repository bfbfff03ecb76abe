import "graphiql/setup-workers/vite";
import "graphiql/style.css";
import "../styles/theme.css";
import "./graphiql.css";
import { GraphiQL } from "graphiql";
import { useMemo, useState } from "react";
import { createRoot } from "react-dom/client";
import { warnAgainstPasting } from "../console-warning.ts";
import { Logo } from "../ui/logo.tsx";
import { type Bearer, createFetcher } from "./bearer.ts";
import account from "./examples/account.graphql?raw";
import administration from "./examples/administration.graphql?raw";
import signIn from "./examples/sign-in.graphql?raw";
import { MemoryStorage } from "./memory-storage.ts";

const ID = "00000000-0000-7000-8000-000000000000";
const PASSWORD = "four unrelated words here";

// One tab each, since a document may hold 16 operations at most.
const SIGN_IN = tab(signIn, {
  email: "ana@example.com",
  password: PASSWORD,
  name: "Ana",
  newName: "Ana Lovelace",
});
const ACCOUNT = tab(account, {
  id: ID,
  password: PASSWORD,
  newPassword: "four other words there",
  first: 10,
});
const ADMINISTRATION = tab(administration, {
  first: 10,
  id: ID,
  newRole: "MANAGER",
  disabled: true,
});
const TABS = [SIGN_IN, ACCOUNT, ADMINISTRATION];

/** A document, with the values of its variables. */
function tab(query: string, variables: object) {
  return { query, variables: JSON.stringify(variables, null, 2) };
}

const storage = new MemoryStorage();

/** The theme that was chosen in the demo, else the system's. */
function chosenTheme(): "light" | "dark" | "system" {
  const theme = document.documentElement.dataset.theme;
  return theme === "light" || theme === "dark" ? theme : "system";
}

function GraphiqlPage() {
  const [bearer, setBearer] = useState<Bearer>(null);
  // The fetcher must stay the same: a new one would make GraphiQL load the schema again.
  const [store] = useState(() => {
    let held: Bearer = null;
    const set = (next: Bearer) => {
      held = next;
      setBearer(next);
    };
    return { get: () => held, set };
  });
  const fetcher = useMemo(() => createFetcher(store), [store]);
  return (
    <>
      <header className="bar">
        <a className="bar-brand" href="/">
          <Logo size={26} />
          Countersign
        </a>
        <h1>GraphiQL</h1>
        <p role="status">
          {bearer === null
            ? "No access token yet: run Login, Register or, when this browser is signed in, Refresh."
            : "The last answer’s access token is sent as bearer, unless Headers hold an Authorization."}
        </p>
        {bearer !== null && (
          <button type="button" onClick={() => store.set(null)}>
            Forget the token
          </button>
        )}
      </header>
      <main>
        <GraphiQL
          fetcher={fetcher}
          storage={storage}
          plugins={[]}
          defaultTabs={TABS}
          initialVariables={SIGN_IN.variables}
          forcedTheme={chosenTheme()}
          defaultEditorToolsVisibility="variables"
          isHeadersEditorEnabled
          showPersistHeadersSettings={false}
        >
          <GraphiQL.Logo> </GraphiQL.Logo>
        </GraphiQL>
      </main>
    </>
  );
}

warnAgainstPasting();
const root = document.getElementById("root");
if (root === null) throw new Error("graphiql.html has no #root");
createRoot(root).render(<GraphiqlPage />);

// A page without a framework: what it shows follows the session's state.
import { createClient, type SessionState } from "@countersign/client";

const client = createClient({ endpoint: "/graphql" });

function find<T extends HTMLElement>(selector: string): T {
  const element = document.querySelector<T>(selector);
  if (element === null) throw new Error(`there is no ${selector}`);
  return element;
}

const signIn = find<HTMLFormElement>("#sign-in");
const account = find("#account");
const rename = find<HTMLFormElement>("#rename");
let shown: string | null = null;

function show({ status, user, sessionId }: SessionState): void {
  signIn.hidden = status === "restoring" || user !== null;
  account.hidden = user === null;
  find("#who").textContent = user && `Signed in as ${user.name}, ${user.role}`;
  if (sessionId === shown) return;
  shown = sessionId;
  find("#devices").textContent = "";
  // Without an answer the line stays empty.
  if (user !== null) showDevices(sessionId).catch(() => {});
}

async function showDevices(sessionId: string | null): Promise<void> {
  const { sessions } = await client.request<{ sessions: unknown[] }>("{ sessions { id } }");
  // Somebody else may be signed in by now.
  if (sessionId === shown) find("#devices").textContent = `Devices: ${sessions.length}`;
}

/** Does what a form says, and shows why it could not be done. */
function onSubmit(form: HTMLFormElement, act: (fields: FormData) => Promise<unknown>): void {
  form.onsubmit = async (event) => {
    event.preventDefault();
    const problem = await act(new FormData(form)).catch((error: Error) => error);
    find("[role=alert]").textContent = problem instanceof Error ? problem.message : "";
    form.reset();
  };
}

onSubmit(signIn, (fields) =>
  client.login({ email: String(fields.get("email")), password: String(fields.get("password")) }),
);
onSubmit(rename, (fields) =>
  client.request(
    "mutation Rename($name: String!) { updateProfile(input: { name: $name }) { id } }",
    { name: fields.get("name") },
  ),
);
find("#sign-out").onclick = () => client.logout();

client.session.on(show);
client.session.start();

import {
  type Client,
  CountersignError,
  createClient,
  type SessionState,
  type TokenOptions,
} from "@countersign/client";
import { loadTokens, remoteKeySet } from "@countersign/client/token";

/** How something that was asked of the client came out; errors lose their fields on the way to the test otherwise. */
export type Outcome<T> = { value: T } | { code: string; reason?: string; retriable: boolean };

/** What a test reaches of the page. */
export interface Harness {
  client: Client;
  /** Every state since the page was loaded, the first included. */
  log: SessionState[];
  /** What stood in the page at the first frame after it was shown, and whether it had been kept for the way back. */
  shown: { text: string; isKept: boolean } | null;
  /** The access token. */
  token(options?: TokenOptions): Promise<Outcome<string | null>>;
  /** The address of the user whose request it was, by the server's word. */
  me(): Promise<Outcome<string>>;
  signIn(person: { email: string; password: string }): Promise<Outcome<string>>;
  /** The user's id in the current token, once it has been verified against the server's keys. */
  verify(): Promise<Outcome<string>>;
}

declare global {
  interface Window {
    harness: Harness;
  }
}

const query = new URLSearchParams(location.search);
const client = createClient({ endpoint: "/graphql", id: query.get("id") ?? "default" });
const log: SessionState[] = [];
const keys = remoteKeySet(new URL("/.well-known/jwks.json", location.href));
const rules = { issuer: location.origin, audience: location.origin };

async function verify(): Promise<string> {
  const tokens = await loadTokens();
  return (await tokens.verify((await client.session.token()) ?? "", keys, rules)).sub;
}

async function outcome<T>(work: Promise<T>): Promise<Outcome<T>> {
  try {
    return { value: await work };
  } catch (error) {
    if (!(error instanceof CountersignError)) throw error;
    const { code, reason, retriable } = error;
    return { code, retriable, ...(reason !== undefined && { reason }) };
  }
}

/** The user's name is what nobody else may see here. */
function show(state: SessionState): void {
  log.push(state);
  for (const [id, text] of [
    ["status", state.status],
    ["name", state.user?.name ?? ""],
  ] as const) {
    const element = document.getElementById(id);
    if (element !== null) element.textContent = text;
  }
}

window.harness = {
  client,
  log,
  shown: null,
  token: (options) => outcome(client.session.token(options)),
  me: () =>
    outcome(
      client
        .request<{ me: { email: string } }>("query Me { me { email } }")
        .then((d) => d.me.email),
    ),
  signIn: ({ email, password }) =>
    outcome(client.login({ email, password }).then((user) => user.email)),
  verify: () => outcome(verify()),
};
addEventListener("pagehide", () => {
  window.harness.shown = null;
});
addEventListener("pageshow", ({ persisted }) => {
  requestAnimationFrame(() => {
    window.harness.shown = { text: document.body.textContent, isKept: persisted };
  });
});
client.session.on(show);
show(client.session.state);
if (!query.has("later")) client.session.start();

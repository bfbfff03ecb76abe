import { type ClientOptions, createClient, type RefreshTokenStore } from "@countersign/client";
import { loadTokens, remoteKeySet } from "@countersign/client/token";

const options: ClientOptions = JSON.parse(decodeURIComponent(location.hash.slice(1)));

/** As docs/client/recipes.md has it. */
const store: RefreshTokenStore = {
  get: () => sessionStorage.getItem("refresh-token"),
  set: (token) =>
    token === null
      ? sessionStorage.removeItem("refresh-token")
      : sessionStorage.setItem("refresh-token", token),
};

const client = createClient({ ...options, refreshTokenStore: store });
const output = document.querySelector("output");

/** What the tests do in this page. */
export const app = {
  client,
  /** Verifies the current token; the role in it. */
  async role(issuer: string): Promise<string> {
    const keys = remoteKeySet(
      new URL("/.well-known/jwks.json", new URL(options.endpoint, location.href)),
    );
    const token = (await client.session.token()) ?? "";
    const tokens = await loadTokens();
    return (await tokens.verify(token, keys, { issuer, audience: issuer })).role;
  },
  /** The role that a worker is told by the server, with a token that it gets from here. */
  roleInWorker(): Promise<string> {
    const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
    return new Promise((resolve, reject) => {
      worker.onerror = reject;
      worker.onmessage = async ({ data, ports: [port] }) => {
        if (port === undefined) resolve(data);
        else port.postMessage(await client.session.token().catch(() => null));
      };
    });
  },
};

function show(): void {
  const { status, reason } = client.session.state;
  if (output) output.textContent = reason === null ? status : `${status}: ${reason}`;
}

Object.assign(globalThis, { app });
client.session.on(show);
client.session.start();
show();

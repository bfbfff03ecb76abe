import { authApi } from "./auth.js";
import { type Fetch, parseJson } from "./fetch-json.js";
import { execute, type GraphQLAnswer } from "./graphql.js";
import { PlannedSession } from "./session.js";
import type { Client, ClientOptions } from "./types.js";

/** The reasons after which a new token helps. */
const RENEWABLE = ["TOKEN_EXPIRED", "TOKEN_STALE", "TOKEN_MISSING", "TOKEN_INVALID"];

/** Makes a client. Nothing is touched or sent before its first use, so this is safe on a server. */
export function createClient(options: ClientOptions): Client {
  const { endpoint, transport = "COOKIE", id = "default", refreshTokenStore: store } = options;
  const send: Fetch = (input, init) => (options.fetch ?? globalThis.fetch)(input, init);
  const url = () => new URL(endpoint, globalThis.location?.href);
  const session = new PlannedSession({ api: authApi(send, url, transport), id, transport, store });

  async function authorisedFetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
    const request = new Request(input, init);
    const isForeign = new URL(request.url).origin !== url().origin;
    if (isForeign || request.headers.has("authorization")) return send(request);
    const { signal } = request;
    const again = request.clone();
    const token = await session.token({ signal });
    const response = await send(withToken(request, token));
    if (token === null || !(await refusesToken(response))) return response;
    const current = await session.token({ signal });
    const renewed = current === token ? await session.token({ force: true, signal }) : current;
    return renewed === null ? response : send(withToken(again, renewed));
  }

  return {
    session,
    register: (input) => session.signIn("register", { ...input }),
    login: (input) => session.signIn("login", { ...input }),
    logout: () => session.signOut(),
    request: (query, variables, { signal, operationName } = {}) =>
      execute({
        fetch: authorisedFetch,
        url: url(),
        query,
        variables,
        operationName,
        credentials: transport === "COOKIE" ? "include" : "omit",
        signal,
      }),
    fetch: authorisedFetch,
  };
}

function withToken(request: Request, token: string | null): Request {
  if (token !== null) request.headers.set("authorization", `Bearer ${token}`);
  return request;
}

/** Whether a GraphQL answer says that the request's token did not do. The response stays unread. */
async function refusesToken(response: Response): Promise<boolean> {
  if (!/[/+]json\b/.test(response.headers.get("content-type") ?? "")) return false;
  const text = await response.clone().text();
  if (!text.includes("UNAUTHENTICATED")) return false;
  const answer = parseJson(text) as GraphQLAnswer | null | undefined;
  return (answer?.errors ?? []).some(
    ({ extensions }) =>
      extensions?.code === "UNAUTHENTICATED" && RENEWABLE.includes(String(extensions.reason)),
  );
}

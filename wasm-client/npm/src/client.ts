import { type AuthPayload, authApi } from "./auth.js";
import { CountersignError } from "./error.js";
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
    const { sessionId } = session.state;
    const grant = await session.grant({ signal });
    if (grant === null) return send(request);
    if (sessionId !== null && grant.sessionId !== sessionId) throw changed();
    const response = await send(withToken(request, grant));
    const refusal = await readRefusal(response);
    if (refusal === undefined) return response;
    if (refusal === "ended") {
      // The refresh learns it too, and ends the session here; the answer stands whatever comes of that.
      await successor(grant, signal).catch(() => {});
      return response;
    }
    const renewed = await successor(grant, signal);
    if (renewed?.sessionId !== grant.sessionId) return response;
    return send(withToken(again, renewed));
  }

  /** What replaces a grant that the server refused. */
  async function successor(refused: AuthPayload, signal: AbortSignal): Promise<AuthPayload | null> {
    const current = await session.grant({ signal });
    if (current?.accessToken !== refused.accessToken) return current;
    return session.grant({ force: true, signal });
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

/** What was asked for as one user must not be done as another. */
function changed(): CountersignError {
  return new CountersignError("SESSION_CHANGED", "another session began; nothing was sent");
}

function withToken(request: Request, { accessToken }: AuthPayload): Request {
  request.headers.set("authorization", `Bearer ${accessToken}`);
  return request;
}

/**
 * Whether a GraphQL answer says that the request's token did not do, so that nothing was executed, or that its session
 * has ended. The response stays unread.
 */
async function readRefusal(response: Response): Promise<"renewable" | "ended" | undefined> {
  if (!/[/+]json\s*(;|$)/.test(response.headers.get("content-type") ?? "")) return undefined;
  const text = await response.clone().text();
  if (!text.includes("UNAUTHENTICATED")) return undefined;
  const { data, errors = [] } = (parseJson(text) ?? {}) as GraphQLAnswer;
  const reasons = errors
    .filter(({ extensions }) => extensions?.code === "UNAUTHENTICATED")
    .map(({ extensions }) => String(extensions?.reason));
  if (reasons.includes("SESSION_ENDED")) return "ended";
  const isExecuted = Object.values(data ?? {}).some((value) => value !== null);
  return !isExecuted && reasons.some((reason) => RENEWABLE.includes(reason))
    ? "renewable"
    : undefined;
}

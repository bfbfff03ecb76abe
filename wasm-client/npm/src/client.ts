import type { AuthPayload, Send } from "./auth.js";
import { sessionChanged, toCountersignError } from "./error.js";
import { type Fetch, parseJson } from "./fetch-json.js";
import { execute, type GraphQLAnswer } from "./graphql.js";
import { refusalOf } from "./refusal.js";
import { openSession } from "./session.js";
import type { Client, ClientOptions } from "./types.js";

/** Makes a client. Nothing is touched or sent before its first use, so this is safe on a server. */
export function createClient(options: ClientOptions): Client {
  const { endpoint, transport = "COOKIE", id = "default", refreshTokenStore: store } = options;
  const fetch: Fetch = (input, init) => (options.fetch ?? globalThis.fetch)(input, init);
  const url = () => new URL(endpoint, globalThis.location?.href);
  const send: Send = async <T>(call: Parameters<Send>[0]) => {
    const credentials = transport === "COOKIE" ? "include" : "omit";
    return (await execute<{ auth: T }>({ ...call, fetch, url: url(), credentials })).auth;
  };
  const session = openSession({ send, url, id, transport, store, events: options.events });

  async function authorisedFetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
    const request = new Request(input, init);
    const isForeign = new URL(request.url).origin !== url().origin;
    if (isForeign || request.headers.has("authorization")) return fetch(request);
    const { signal } = request;
    const again = request.clone();
    const { sessionId } = session.state;
    const grant = await session.grant({ signal });
    if (grant === null) return fetch(request);
    if (sessionId !== null && grant.sessionId !== sessionId) throw sessionChanged();
    const response = await fetch(withToken(request, grant));
    const refusal = await readRefusal(response);
    if (refusal === undefined) return response;
    if (refusal === "ended") {
      // The refresh learns it too, and ends the session here; the answer stands whatever comes of that.
      await session.successor(grant, signal).catch(() => {});
      return response;
    }
    const renewed = await session.successor(grant, signal);
    if (renewed?.sessionId !== grant.sessionId) return response;
    return fetch(withToken(again, renewed));
  }

  /** Loaded when they are needed, which is seldom. */
  const acts = () =>
    import("./acts.js").then(
      ({ actsOf }) => actsOf(session, send, transport),
      (cause: unknown) => {
        throw toCountersignError(cause);
      },
    );

  return {
    session,
    register: async (input) => (await acts()).register(input),
    login: async (input) => (await acts()).login(input),
    logout: () => session.signOut(),
    logoutEverywhere: async () => (await acts()).logoutEverywhere(),
    changePassword: async (input) => (await acts()).changePassword(input),
    reauthenticate: async (password) => (await acts()).reauthenticate(password),
    deleteAccount: async (password) => (await acts()).deleteAccount(password),
    recover: async (input) => (await acts()).recover(input),
    request: (query, variables, { signal, operationName } = {}) =>
      execute({
        fetch: authorisedFetch,
        url: url(),
        query,
        variables,
        operationName,
        // The session's cookie serves the session alone; a proxy in front of the app may want its own.
        credentials: transport === "COOKIE" ? "same-origin" : "omit",
        signal,
      }),
    fetch: authorisedFetch,
  };
}

function withToken(request: Request, { accessToken }: AuthPayload): Request {
  request.headers.set("authorization", `Bearer ${accessToken}`);
  return request;
}

/** What the answer says about the request's token; the response stays unread. */
async function readRefusal(response: Response): Promise<ReturnType<typeof refusalOf>> {
  if (!/[/+]json\s*(;|$)/.test(response.headers.get("content-type") ?? "")) return undefined;
  const text = await response.clone().text();
  if (!text.includes("UNAUTHENTICATED")) return undefined;
  return refusalOf((parseJson(text) ?? {}) as GraphQLAnswer);
}

import type { AuthPayload } from "./auth.js";
import { refusalOf, sessionChanged } from "./error.js";
import { type Fetch, parseJson } from "./fetch-json.js";
import type { GraphQLAnswer } from "./graphql.js";
import type { Core } from "./session.js";

/** `fetch` with the session's access token, for requests to the endpoint's origin. */
export function fetchAs(session: Core, fetch: Fetch, endpoint: URL): Fetch {
  return async (input, init) => {
    const request = new Request(input, init);
    const isForeign = new URL(request.url).origin !== endpoint.origin;
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

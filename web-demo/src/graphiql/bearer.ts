import type { Fetcher } from "@graphiql/toolkit";

/** The access token that the page remembers, or null. */
export type Bearer = string | null;

interface BearerStore {
  get(): Bearer;
  set(bearer: Bearer): void;
}

/**
 * Sends operations to `/graphql` with the page's cookies, and with the remembered access token where the Headers
 * editor has no Authorization. An answer with an `accessToken` replaces it; a `logout` forgets it.
 */
export function createFetcher(store: BearerStore): Fetcher {
  return async ({ query, operationName, variables }, options) => {
    const headers = new Headers({ accept: "application/graphql-response+json, application/json" });
    const bearer = store.get();
    if (bearer !== null) headers.set("authorization", `Bearer ${bearer}`);
    for (const [name, value] of Object.entries(options?.headers ?? {}))
      headers.set(name, String(value));
    headers.set("content-type", "application/json");
    const response = await fetch("/graphql", {
      method: "POST",
      credentials: "same-origin",
      headers,
      body: JSON.stringify({ query, operationName, variables }),
    });
    const answer = await response.json();
    remember(store, answer?.data);
    return answer;
  };
}

/** Looks at every field of the answer, so that aliases work too. */
function remember(store: BearerStore, data: unknown): void {
  if (typeof data !== "object" || data === null) return;
  for (const [name, value] of Object.entries(data)) {
    if (name === "logout" && value === true) store.set(null);
    const token = (value as { accessToken?: unknown } | null)?.accessToken;
    if (typeof token === "string") store.set(token);
  }
}

import type { Fetcher, Observable } from "@graphiql/toolkit";
import { type ExecutionResult, getOperationAST } from "graphql";
import { createClient, type Sink, type SubscribePayload } from "graphql-ws";

/** The access token that the page remembers, or null. */
export type Bearer = string | null;

interface BearerStore {
  get(): Bearer;
  set(bearer: Bearer): void;
}

/**
 * Sends operations to `/graphql` with the page's cookies, and with the remembered access token where the Headers
 * editor has no Authorization. An answer with an `accessToken` replaces it; a `logout` forgets it. Subscriptions go to
 * `/graphql/ws`, and begin with the remembered token only.
 */
export function createFetcher(store: BearerStore): Fetcher {
  return async ({ query, operationName, variables }, options) => {
    const operation = options?.documentAST && getOperationAST(options.documentAST, operationName);
    if (operation?.operation === "subscription")
      return subscription({ query, operationName, variables }, store.get());
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

/** A connection of its own for each subscription: it lasts as long, and begins with the token of now. */
function subscription(payload: SubscribePayload, token: Bearer): Observable<ExecutionResult> {
  return {
    subscribe(observer) {
      const client = createClient({
        url: "/graphql/ws",
        connectionParams: token === null ? {} : { token },
        // The stream of an ended session must be seen to end.
        retryAttempts: 0,
      });
      const sink = observer as Sink<ExecutionResult>;
      const unsubscribe = client.subscribe(payload, {
        next: (result) => sink.next(result as ExecutionResult),
        error: (problem) => sink.error(explain(problem)),
        complete: () => sink.complete(),
      });
      return { unsubscribe };
    },
  };
}

/** The server's reason, which the browser keeps where no serialisation finds it. */
function explain(problem: unknown): unknown {
  if (!(problem instanceof CloseEvent)) return problem;
  return new Error(`The server closed the stream: ${problem.code} ${problem.reason}`);
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

import { type Acts, actsOf } from "./acts.js";
import { fetchAs } from "./fetch.js";
import type { Fetch } from "./fetch-json.js";
import { read } from "./graphql.js";
import { post } from "./post.js";
import { type Core, openSession, type SessionOptions } from "./session.js";
import type { Client, ClientOptions } from "./types.js";

/** All of a client that can wait until the first call is on its way. */
export type Engine = Acts & Core & Pick<Client, "request" | "fetch">;

/** Starts the engine of a client. */
export function openEngine(options: SessionOptions & ClientOptions): Engine {
  const { exchange, url } = options;
  const session = openSession(options);
  const send: Fetch = (input, init) => (options.fetch ?? fetch)(input, init);
  const authorised = fetchAs(session, send, url);
  // The session's cookie serves the session alone; a proxy in front of the app may want its own.
  const credentials = exchange.isCookie ? "same-origin" : "omit";
  return Object.assign(session, actsOf(session, exchange), {
    fetch: authorised,
    request: async <T>(query: string, variables?: object, init = {}) =>
      read<T>(await post(authorised, url, { query, variables, credentials, ...init })),
  });
}

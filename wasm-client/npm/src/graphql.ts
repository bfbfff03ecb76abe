import { CountersignError, type ErrorDetails } from "./error.js";
import { type Fetch, fetchJson, type JsonAnswer } from "./fetch-json.js";

/** How an operation is sent. */
export interface Call {
  fetch: Fetch;
  url: string | URL;
  query: string;
  variables?: object | undefined;
  operationName?: string | undefined;
  credentials?: RequestCredentials;
  signal?: AbortSignal | undefined;
  limitMs?: number;
  token?: string | undefined;
}

/** A GraphQL answer, as far as this package reads it. */
export interface GraphQLAnswer {
  data?: unknown;
  errors?: { message: string; extensions?: Record<string, unknown> }[];
}

/**
 * Sends an operation and returns its data.
 *
 * @throws CountersignError of the first error in the answer; `NETWORK` or `UNAVAILABLE` when the answer is not GraphQL.
 */
export async function execute<T>(call: Call): Promise<T> {
  const { query, variables, operationName } = call;
  const init: RequestInit = {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "application/graphql-response+json, application/json;q=0.9",
      ...(call.token && { authorization: `Bearer ${call.token}` }),
    },
    body: JSON.stringify({ query, variables, operationName }),
    signal: call.signal ?? null,
  };
  if (call.credentials !== undefined) init.credentials = call.credentials;
  const answer = await fetchJson(call.fetch, call.url, init, call.limitMs);
  return read(answer) as T;
}

function read(answer: JsonAnswer): unknown {
  const body = answer.body as GraphQLAnswer | null | undefined;
  const first = body?.errors?.[0];
  if (first !== undefined) throw toError(first.message, first.extensions ?? {}, answer.headers);
  if (typeof body?.data === "object" && body.data !== null) return body.data;
  throw notGraphQL(answer);
}

/** The error of an answer that no GraphQL server wrote: a proxy's, or a page's. */
function notGraphQL({ status, headers }: JsonAnswer): CountersignError {
  const code = status === 429 ? "RATE_LIMITED" : status >= 500 ? "UNAVAILABLE" : "NETWORK";
  return toError(`the server answered ${status} without GraphQL`, { code }, headers);
}

function toError(
  message: string,
  extensions: Record<string, unknown>,
  headers: Headers,
): CountersignError {
  const { code, retryAfter } = extensions;
  const details: ErrorDetails = {};
  for (const name of ["reason", "field", "requestId"] as const) {
    const value = extensions[name];
    if (typeof value === "string") details[name] = value;
  }
  const seconds =
    typeof retryAfter === "number" ? retryAfter : secondsOf(headers.get("retry-after"));
  if (Number.isFinite(seconds)) details.retryAfter = Math.max(0, Math.ceil(seconds));
  return new CountersignError(
    typeof code === "string" ? code : "INTERNAL_SERVER_ERROR",
    String(message),
    details,
  );
}

/** The seconds of a `Retry-After` header, which is a number or a date (RFC 9110, section 10.2.3); else NaN. */
function secondsOf(header: string | null): number {
  if (header === null) return Number.NaN;
  return /^\d+$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1000;
}

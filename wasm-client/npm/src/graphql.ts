import { CountersignError, type ErrorDetails } from "./error.js";
import type { JsonAnswer } from "./fetch-json.js";

/** A GraphQL answer, as far as this package reads it. */
export interface GraphQLAnswer {
  data?: unknown;
  errors?: readonly { message: string; extensions?: Record<string, unknown> }[] | undefined;
}

/**
 * The data of an answer.
 *
 * @throws CountersignError of the first error in it; `NETWORK` or `UNAVAILABLE` when it is not GraphQL.
 */
export function read<T>(answer: JsonAnswer): T {
  const body = answer.body as GraphQLAnswer | null | undefined;
  const first = body?.errors?.[0];
  if (first !== undefined) throw toError(first.message, first.extensions ?? {}, answer.headers);
  if (typeof body?.data === "object" && body.data !== null) return body.data as T;
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

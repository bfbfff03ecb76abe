import { type Fetch, fetchJson, type JsonAnswer } from "./fetch-json.js";

/** A GraphQL operation, and how it is sent. */
export interface Call {
  query: string;
  variables?: object | undefined;
  operationName?: string | undefined;
  credentials?: RequestCredentials;
  signal?: AbortSignal | undefined;
  limitMs?: number;
  token?: string | undefined;
}

/**
 * Sends an operation by POST.
 *
 * @throws CountersignError `NETWORK` when there is no answer.
 */
export function post(
  fetch: Fetch,
  url: URL,
  { query, variables, operationName, signal, token, limitMs, ...init }: Call,
): Promise<JsonAnswer> {
  const headers = {
    "content-type": "application/json",
    accept: "application/graphql-response+json, application/json;q=0.9",
    ...(token && { authorization: `Bearer ${token}` }),
  };
  const body = JSON.stringify({ query, variables, operationName });
  const request = { ...init, method: "POST", headers, body, signal: signal ?? null };
  return fetchJson(fetch, url, request, limitMs);
}

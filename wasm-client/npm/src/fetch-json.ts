import { toCountersignError } from "./error.js";

/** A fetch function, such as the platform's. */
export type Fetch = typeof globalThis.fetch;

/** An HTTP answer with its JSON; `body` is undefined when it was something else. */
export interface JsonAnswer {
  status: number;
  headers: Headers;
  body: unknown;
}

/**
 * Fetches JSON, giving up after `limitMs` (body included).
 *
 * @throws CountersignError `NETWORK` when there is no answer in time; the signal's reason when that aborted.
 */
export async function fetchJson(
  fetcher: Fetch,
  url: string | URL,
  init: RequestInit,
  limitMs?: number,
): Promise<JsonAnswer> {
  const signals = [init.signal, limitMs === undefined ? null : AbortSignal.timeout(limitMs)];
  const signal = AbortSignal.any(signals.filter((one) => one instanceof AbortSignal));
  try {
    const response = await fetcher(url, { ...init, signal });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: parseJson(text) };
  } catch (cause) {
    init.signal?.throwIfAborted();
    throw toCountersignError(cause);
  }
}

/** The value of a JSON text; undefined when it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

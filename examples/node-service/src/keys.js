import { createLocalJWKSet, createRemoteJWKSet, errors } from "jose";
import { unavailable } from "./refusal.js";

/** How long keys are kept: the `max-age` that the server sends with them. It publishes a key twice this long before it signs. */
export const MAX_AGE_MS = 300_000;
/** Unknown key ids cause one fetch in this time, however many come. */
export const COOL_DOWN_MS = 30_000;
/** After a fetch that failed, the next one. */
export const RETRY_MS = 5_000;

/**
 * The keys at a JWKS address. While the server does not answer, the keys it gave last are used.
 *
 * @param {URL} url
 * @param {string} algorithm keys for other algorithms are not used (RFC 8725 §3.1)
 * @returns {(header: { kid?: string }) => Promise<import("jose").CryptoKey>}
 */
export function remoteKeys(url, algorithm) {
  const remote = createRemoteJWKSet(url, {
    cacheMaxAge: MAX_AGE_MS,
    cooldownDuration: COOL_DOWN_MS,
  });
  let retryAt = 0;
  /** @type {unknown} */
  let failure;

  return async ({ kid }) => {
    // Not the token's algorithm. And not every key in turn for a token that names none.
    const wanted = { alg: algorithm, kid: kid ?? "" };
    if (Date.now() >= retryAt) {
      try {
        return await remote(wanted);
      } catch (error) {
        if (error instanceof errors.JWKSNoMatchingKey) throw error;
        retryAt = Date.now() + RETRY_MS;
        failure = error;
      }
    }
    const last = remote.jwks();
    const key = last && (await createLocalJWKSet(last)(wanted).catch(() => undefined));
    if (key) return key;
    throw unavailable(failure);
  };
}

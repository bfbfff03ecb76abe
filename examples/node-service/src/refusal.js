/** A request that is refused: the status and the headers of the answer (RFC 6750 §3). */
export class Refusal extends Error {
  /**
   * @param {number} status
   * @param {Record<string, string>} headers
   * @param {unknown} [cause]
   */
  constructor(status, headers, cause) {
    super(`refused with ${status}`, { cause });
    this.status = status;
    this.headers = headers;
  }
}

const REALM = 'Bearer realm="reports"';

/** No bearer token was sent; no error code for who did not try (RFC 6750 §3.1). */
export const missing = () => new Refusal(401, { "www-authenticate": REALM });

/**
 * The token is not good.
 *
 * @param {string} why for the log of the caller's developer; fixed words, none of the token's
 * @param {unknown} [cause]
 */
export const invalid = (why, cause) =>
  new Refusal(
    401,
    { "www-authenticate": `${REALM}, error="invalid_token", error_description="${why}"` },
    cause,
  );

/** The role is not enough. */
export const forbidden = () =>
  new Refusal(403, { "www-authenticate": `${REALM}, error="insufficient_scope"` });

/**
 * The server that could tell does not answer.
 *
 * @param {unknown} [cause]
 */
export const unavailable = (cause) => new Refusal(503, { "retry-after": "5" }, cause);

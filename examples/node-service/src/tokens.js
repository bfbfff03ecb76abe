import { errors, jwtVerify } from "jose";
import { isCanonical, members } from "./form.js";
import { remoteKeys } from "./keys.js";
import { invalid, Refusal } from "./refusal.js";

/**
 * The claims (docs/services.md). Times are whole seconds since 1970.
 *
 * @typedef {object} Claims
 * @property {string} iss
 * @property {string | string[]} aud
 * @property {string} sub
 * @property {string} client_id
 * @property {string} sid
 * @property {number} ver
 * @property {string} role
 * @property {number} iat
 * @property {number} exp
 * @property {string} jti
 * @property {number} auth_time
 *
 * What a service trusts. All of it is configuration: nothing is taken from a token.
 *
 * @typedef {object} Trust
 * @property {string} issuer `COUNTERSIGN_TOKENS__ISSUER` of the server
 * @property {string} audience `COUNTERSIGN_TOKENS__AUDIENCE` of the server
 * @property {string} algorithm `COUNTERSIGN_TOKENS__ALGORITHM` of the server: EdDSA, ES256 or RS256
 * @property {URL} jwks where its keys are
 */

/** The names that a header may give each algorithm. RFC 9864 gives EdDSA with Ed25519 a second one. */
const NAMES = new Map([
  ["EdDSA", ["EdDSA", "Ed25519"]],
  ["ES256", ["ES256"]],
  ["RS256", ["RS256"]],
]);
/** The clock of the server may differ by this much. */
const LEEWAY_SECONDS = 30;
/** No token of Countersign's comes near this. */
const MAX_BYTES = 8192;

/** The claims that must be there, and their JSON text. Times are written as integers that a number holds. */
const CLAIMS = /** @type {[string, RegExp][]} */ ([
  ...["sub", "client_id", "sid", "role", "jti"].map((name) => [name, /^"/]),
  ...["iat", "exp", "auth_time"].map((name) => [name, /^\d{1,15}$/]),
  ["ver", /^\d+$/],
]);

/**
 * A function that gives the claims of a good token and throws a {@link Refusal} for any other.
 *
 * @param {Trust} trust
 * @returns {(token: string, now?: Date) => Promise<Claims>}
 */
export function createVerifier({ issuer, audience, algorithm, jwks }) {
  const algorithms = NAMES.get(algorithm);
  if (!algorithms) {
    throw new Error(
      `${algorithm} is not EdDSA, ES256 or RS256: with HS256 whoever can check a token can make one`,
    );
  }
  const keys = remoteKeys(jwks, algorithm);
  return async (token, now = new Date()) => {
    try {
      checkForm(token);
      const { payload } = await jwtVerify(token, keys, {
        algorithms,
        issuer,
        audience,
        // An ID token is no access token (RFC 9068 §4).
        typ: "at+jwt",
        clockTolerance: LEEWAY_SECONDS,
        currentDate: now,
      });
      return /** @type {Claims} */ (/** @type {unknown} */ (payload));
    } catch (error) {
      if (error instanceof Refusal) throw error;
      throw invalid(error instanceof errors.JWTExpired ? "expired" : "not a good token", error);
    }
  };
}

/**
 * What jose leaves to its callers: `crit`, and that the claims of our profile are there.
 *
 * @param {string} token
 */
function checkForm(token) {
  const parts = token.split(".");
  if (token.length > MAX_BYTES || !parts.every(isCanonical)) throw invalid("malformed");
  const [header, payload] = parts.slice(0, 2).map(members);
  // It names extensions that must be understood (RFC 7515 §4.1.11), and we understand none.
  if (header?.has("crit")) throw invalid("crit");
  for (const [name, form] of CLAIMS) {
    if (!form.test(payload?.get(name) ?? "")) throw invalid("wrong members");
  }
}

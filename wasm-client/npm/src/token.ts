import { CountersignError, invalidToken } from "./error.js";
import { findVerifier, type KeySource } from "./keys.js";
import type { Expectation } from "./signature.js";
import type { Role } from "./types.js";
import { type Core, loadCore } from "./wasm/core.js";

export { CountersignError, type ErrorCode, type ErrorDetails, type ErrorReason } from "./error.js";
export { type JsonWebKeySet, type KeySource, type PublicJwk, remoteKeySet } from "./keys.js";
export type { Role } from "./types.js";

/** The header of a token (RFC 7515, section 4). */
export interface Header {
  /** The algorithm that the token claims; `verify` goes by the key instead. */
  alg: string;
  /** `at+jwt` for an access token. */
  typ?: string;
  /** Which key signed it. */
  kid?: string;
  [name: string]: unknown;
}

/** The claims of an access token (RFC 9068); times are whole Unix seconds. */
export interface Claims {
  /** The server that signed it. */
  iss: string;
  /** Whom it is for. */
  aud: string | string[];
  /** The user's id. */
  sub: string;
  /** Which application asked for it. */
  client_id: string;
  /** The session's id. */
  sid: string;
  /** The user's token version: it rises when a change makes earlier tokens stale. */
  ver: number;
  /** What the user may do. */
  role: Role;
  /** When it was signed. */
  iat: number;
  /** When it expires. */
  exp: number;
  /** The token's own id. */
  jti: string;
  /** When the user last proved the password. */
  auth_time: number;
  /** Not good before. */
  nbf?: number;
  [name: string]: unknown;
}

/** What a token must say. Never take it from a token. */
export interface Rules {
  /** The only `iss` that is accepted. */
  issuer: string;
  /** What `aud` is or holds. */
  audience: string;
  /** Milliseconds since 1970; now when absent. */
  now?: number;
  /** How far clocks may differ; 30 when absent. */
  leewaySeconds?: number;
}

/** The checks of the WASM core. */
export interface TokenVerifier {
  /**
   * Reads a token. Nothing is verified: whoever made it wrote what stands in it.
   *
   * @throws CountersignError `UNAUTHENTICATED` with reason `TOKEN_INVALID` when it is malformed.
   */
  decode(token: string): { header: Header; claims: Claims };
  /**
   * Verifies signature, issuer, audience, type and times.
   *
   * @throws CountersignError `UNAUTHENTICATED` with reason `TOKEN_INVALID` or `TOKEN_EXPIRED`; `NETWORK` when the keys
   * cannot be fetched now; `BAD_USER_INPUT` when the rules lack an issuer or audience.
   */
  verify(token: string, keys: KeySource, rules: Rules): Promise<Claims>;
  /**
   * Holds a token of a server that signs with HS256 to the rules, but for its signature: only the server has that key. It
   * says nothing about who made the token, and refuses tokens of other algorithms, which `verify` is for.
   *
   * @throws CountersignError as `verify`, but for `NETWORK`.
   */
  checkClaims(token: string, rules: Rules): Claims;
}

/**
 * Loads the WASM core, once.
 *
 * @throws CountersignError `WASM_UNAVAILABLE` where the page's policy or the browser refuses WebAssembly.
 */
export async function loadTokens(): Promise<TokenVerifier> {
  const core = await loadCore();
  return {
    decode: (token) => decode(core, token),
    verify: (token, keys, rules) => verify(core, token, keys, rules),
    checkClaims: (token, rules) => {
      const expected = expectation(rules);
      const { claims } = decode(core, token);
      return accept(
        core((wasm) => wasm.check(token, "HS256", ...expected)),
        claims,
      );
    },
  };
}

function decode(core: Core, token: string): { header: Header; claims: Claims } {
  const json = core((wasm) => wasm.decode(String(token)));
  if (json === "") throw invalidToken("the token is malformed");
  return JSON.parse(json) as { header: Header; claims: Claims };
}

async function verify(core: Core, token: string, keys: KeySource, rules: Rules): Promise<Claims> {
  const expected = expectation(rules);
  const { header, claims } = decode(core, token);
  const check = header.kid === undefined ? undefined : await findVerifier(core, keys, header.kid);
  if (check === undefined) throw invalidToken("the token names no known key");
  return accept(await check(token, expected), claims);
}

function expectation(rules: Rules): Expectation {
  for (const field of ["issuer", "audience"] as const) {
    if (typeof rules?.[field] !== "string" || rules[field] === "")
      throw new CountersignError("BAD_USER_INPUT", `the rules name no ${field}`, { field });
  }
  const seconds = Math.floor((rules.now ?? Date.now()) / 1000);
  return [rules.issuer, rules.audience, seconds, rules.leewaySeconds ?? 30];
}

function accept(answer: number, claims: Claims): Claims {
  if (answer === 0) return claims;
  if (answer !== 2) throw invalidToken();
  throw new CountersignError("UNAUTHENTICATED", "the token has expired", {
    reason: "TOKEN_EXPIRED",
  });
}

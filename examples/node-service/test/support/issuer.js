import { generateKeyPairSync, sign } from "node:crypto";
import { serve } from "./http.js";

/** @import { KeyObject } from "node:crypto" */

/** Whom the tokens are for. */
export const AUDIENCE = "https://api.example.com";

/**
 * A key pair of the issuer.
 *
 * @typedef {{ kid: string, alg: string, privateKey: KeyObject, jwk: Record<string, unknown> }} Key
 */

/**
 * @param {string} kid
 * @param {string} alg
 * @param {{ publicKey: KeyObject, privateKey: KeyObject }} pair
 * @returns {Key}
 */
function key(kid, alg, { publicKey, privateKey }) {
  const jwk = { ...publicKey.export({ format: "jwk" }), kid, alg, use: "sig" };
  return { kid, alg, privateKey, jwk };
}

/** @param {string} kid */
export const ed25519 = (kid) => key(kid, "EdDSA", generateKeyPairSync("ed25519"));
/** @param {string} kid */
export const p256 = (kid) => key(kid, "ES256", generateKeyPairSync("ec", { namedCurve: "P-256" }));
/** @param {string} kid */
export const rsa = (kid) => key(kid, "RS256", generateKeyPairSync("rsa", { modulusLength: 2048 }));

/**
 * The header of a good token.
 *
 * @param {Key} key
 */
export const header = ({ kid, alg }) => ({ typ: "at+jwt", alg, kid });

/** @param {unknown} value */
export const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

/**
 * Signs whatever it is given, by node:crypto: no code is shared with the verifier under test.
 *
 * @param {Key} key
 * @param {unknown} header
 * @param {unknown} claims
 */
export function token({ alg, privateKey }, header, claims) {
  const message = `${encode(header)}.${encode(claims)}`;
  const hash = alg === "EdDSA" ? null : "sha256";
  const options = { key: privateKey, dsaEncoding: /** @type {const} */ ("ieee-p1363") };
  return `${message}.${sign(hash, Buffer.from(message), options).toString("base64url")}`;
}

/** A served JWKS, whose keys change and which fails on request. */
export class Issuer {
  origin = "";
  isDown = false;
  fetches = 0;

  /** @param {Record<string, unknown>[]} keys */
  constructor(keys) {
    this.keys = keys;
  }

  /** @param {Key[]} keys */
  static start(...keys) {
    return Issuer.withJwks(keys.map(({ jwk }) => jwk));
  }

  /** @param {Record<string, unknown>[]} keys */
  static async withJwks(keys) {
    const issuer = new Issuer(keys);
    issuer.origin = await serve((_request, response) => {
      issuer.fetches += 1;
      response
        .writeHead(issuer.isDown ? 502 : 200, { "content-type": "application/json" })
        .end(JSON.stringify({ keys: issuer.keys }));
    });
    return issuer;
  }

  /** @param {Key[]} keys */
  publish(...keys) {
    this.keys = keys.map(({ jwk }) => jwk);
  }

  /** The claims of a good token. */
  claims() {
    const now = Math.floor(Date.now() / 1000);
    return {
      iss: this.origin,
      aud: AUDIENCE,
      sub: "user-1",
      client_id: "countersign",
      sid: "session-1",
      ver: 1,
      role: "USER",
      iat: now,
      exp: now + 900,
      jti: "token-1",
      auth_time: now,
    };
  }

  /**
   * A good token of `key`.
   *
   * @param {Key} key
   */
  good(key) {
    return token(key, header(key), this.claims());
  }

  /**
   * The settings of a service that trusts this issuer.
   *
   * @param {string} algorithm
   */
  trust(algorithm) {
    return { issuer: this.origin, server: this.origin, audience: AUDIENCE, algorithm };
  }
}

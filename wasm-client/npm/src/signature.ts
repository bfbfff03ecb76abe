import type { Core } from "./wasm/core.js";

/** The JWK of a key with the only algorithm that it is used for. */
export type Key =
  | { alg: "EdDSA"; kty: string; crv: string; x: string }
  | { alg: "ES256"; kty: string; crv: string; x: string; y: string }
  | { alg: "RS256"; kty: string; n: string; e: string };

/** The rules as the core takes them: issuer, audience, now and leeway, both in seconds. */
export type Expectation = [issuer: string, audience: string, now: number, leeway: number];

/** Holds a token to the rules and to the signature of one key; answers as the core's `verify`. */
export type Verify = (token: string, expected: Expectation) => Promise<number>;

const GOOD = 0;
const INVALID = 1;

const ALGORITHMS = {
  EdDSA: { name: "Ed25519" },
  ES256: { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" },
  RS256: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
};

/**
 * What verifies the tokens of `key`: WebCrypto the signatures, because WASM is slower and larger, and the core the rules.
 *
 * The core knows EdDSA itself, for platforms without, and verifies until it has accepted a token: platforms take keys of small
 * order, under which anybody signs.
 */
export function verifierOf(core: Core, key: Key): Verify {
  const { alg, ...jwk } = key;
  const parameters = ALGORITHMS[alg];
  const bytes = key.alg === "EdDSA" ? fromBase64url(key.x) : undefined;
  let isProven = bytes === undefined;
  let loading: Promise<CryptoKey | undefined> | undefined;

  /** Undefined when the platform does not know the algorithm, or the key's point is not on the curve. */
  async function load(): Promise<CryptoKey | undefined> {
    try {
      return await crypto.subtle.importKey("jwk", jwk, parameters, false, ["verify"]);
    } catch {
      return undefined;
    }
  }

  return async (token, expected) => {
    if (isProven) {
      loading ??= load();
      const native = await loading;
      if (native !== undefined) {
        // The rules are checked while another thread verifies: an answer about them waits for that.
        const isSigned = crypto.subtle.verify(parameters, native, ...partsOf(token));
        const answer = core((wasm) => wasm.check(token, alg, ...expected));
        return (await isSigned) ? answer : INVALID;
      }
    }
    if (bytes === undefined) return INVALID;
    const answer = core((wasm) => wasm.verify(token, bytes, ...expected));
    isProven ||= answer === GOOD;
    return answer;
  };
}

/** The signature of a token, and what it signs. */
function partsOf(token: string): [Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>] {
  const end = token.lastIndexOf(".");
  return [fromBase64url(token.slice(end + 1)), new TextEncoder().encode(token.slice(0, end))];
}

/** The bytes of base64url text, which the core has read. */
function fromBase64url(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < bytes.length; at += 1) bytes[at] = binary.charCodeAt(at);
  return bytes;
}

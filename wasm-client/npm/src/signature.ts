import { fromBase64url, type Key } from "./keys.js";

const ALGORITHMS = {
  ES256: { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" },
  RS256: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
};

/** Verifies an ES256 or RS256 signature with WebCrypto: in WASM those are slower and larger. */
export async function verifySignature(
  token: string,
  { alg, ...jwk }: Exclude<Key, { alg: "EdDSA" }>,
): Promise<boolean> {
  const parameters = ALGORITHMS[alg];
  const end = token.lastIndexOf(".");
  const signed = new TextEncoder().encode(token.slice(0, end));
  const signature = fromBase64url(token.slice(end + 1));
  try {
    const key = await crypto.subtle.importKey("jwk", jwk, parameters, false, ["verify"]);
    return await crypto.subtle.verify(parameters, key, signature, signed);
  } catch {
    return false; // its point is not on the curve
  }
}

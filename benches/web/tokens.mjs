import { randomUUID } from "node:crypto";
import { exportJWK, generateKeyPair, SignJWT } from "jose";

const TOKENS = 64;
const RULES = { issuer: "https://auth.example.com", audience: "https://auth.example.com" };

/**
 * Access tokens as the server makes them, by task (those that are only read are the EdDSA ones); the keys that signed them, and
 * the rules they keep. All of it is JSON.
 */
export async function makeTokens() {
  const signers = await Promise.all(["EdDSA", "ES256", "RS256"].map(makeSigner));
  const tokens = Object.fromEntries(signers.map(({ alg, tokens }) => [alg, tokens]));
  return {
    tokens: { ...tokens, decode: tokens.EdDSA, "decode + expiry": tokens.EdDSA },
    jwks: { keys: signers.map(({ jwk }) => jwk) },
    rules: RULES,
  };
}

async function makeSigner(alg) {
  const { publicKey, privateKey } = await generateKeyPair(alg);
  const jwk = { ...(await exportJWK(publicKey)), kid: alg, alg, use: "sig" };
  const tokens = await Promise.all(
    Array.from({ length: TOKENS }, () =>
      new SignJWT({
        client_id: "countersign",
        sid: randomUUID(),
        ver: 1,
        role: "USER",
        auth_time: Math.floor(Date.now() / 1000),
      })
        .setProtectedHeader({ typ: "at+jwt", alg, kid: alg })
        .setIssuer(RULES.issuer)
        .setAudience(RULES.audience)
        .setSubject(randomUUID())
        .setJti(randomUUID())
        .setIssuedAt()
        .setExpirationTime("1h")
        .sign(privateKey),
    ),
  );
  return { alg, jwk, tokens };
}

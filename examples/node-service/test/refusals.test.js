// What is refused, and how (RFC 6750 §3). Every token but the forged ones is signed properly.
import assert from "node:assert/strict";
import { createHmac, createPublicKey } from "node:crypto";
import { test } from "node:test";
import { createApp } from "../src/app.js";
import { start } from "./support/http.js";
import { ed25519, encode, header, Issuer, p256, rsa, token } from "./support/issuer.js";

test("a fault in a token that is signed properly is 401", async () => {
  const [key, other] = [ed25519("a"), p256("b")];
  const issuer = await Issuer.start(key, other);
  const service = await start(issuer.trust("EdDSA"));
  const claims = issuer.claims();
  assert.equal(await service.status(issuer.good(key)), 200);

  /** @param {object} changes */
  const inHeader = (changes) => token(key, { ...header(key), ...changes }, claims);
  /** @param {object} changes */
  const inClaims = (changes) => token(key, header(key), { ...claims, ...changes });
  const faults = {
    expired: inClaims({ exp: claims.iat - 60 }),
    "too early": inClaims({ nbf: claims.iat + 60 }),
    audience: inClaims({ aud: "https://x.example" }),
    issuer: inClaims({ iss: "https://x.example" }),
    "an ID token": inHeader({ typ: "JWT" }),
    crit: inHeader({ crit: ["exp"] }),
    "unknown kid": inHeader({ kid: "c" }),
    "the kid of another key": inHeader({ kid: "b" }),
    "another algorithm": token(other, header(other), claims),
  };
  for (const [fault, faulty] of Object.entries(faults)) {
    const { status, challenge } = await service.call("GET /me", `Bearer ${faulty}`);
    assert.equal(status, 401, fault);
    assert.match(challenge ?? "", /^Bearer realm="reports", error="invalid_token", error_d/);
  }
  for (const [typ, alg] of [
    ["application/at+jwt", "EdDSA"],
    ["AT+JWT", "Ed25519"],
  ]) {
    assert.equal(await service.status(inHeader({ typ, alg })), 200);
  }
});

test("a forged token is 401", async () => {
  const key = rsa("a");
  const issuer = await Issuer.start(key);
  const service = await start(issuer.trust("RS256"));
  assert.equal(await service.status(issuer.good(key)), 200);
  const [head, , signature] = issuer.good(key).split(".");
  const admin = encode({ ...issuer.claims(), role: "ADMIN" });

  const none = `${encode({ ...header(key), alg: "none" })}.${admin}`;
  const hs256 = `${encode({ ...header(key), alg: "HS256" })}.${admin}`;
  /** @param {string | Buffer} secret the public key, in one of its forms, taken for an HMAC secret */
  const confused = (secret) =>
    `${hs256}.${createHmac("sha256", secret).update(hs256).digest("base64url")}`;
  const publicKey = createPublicKey(key.privateKey);
  const forgeries = {
    "tampered payload": `${head}.${admin}.${signature}`,
    "alg none": `${none}.`,
    "alg none, signed": `${none}.${signature}`,
    "HS256 with the PEM": confused(publicKey.export({ type: "spki", format: "pem" })),
    "HS256 with the DER": confused(publicKey.export({ type: "spki", format: "der" })),
    "HS256 with the JWK": confused(JSON.stringify(key.jwk)),
    "another's signature": issuer.good(rsa("a")),
  };
  for (const [forgery, forged] of Object.entries(forgeries)) {
    const { status, challenge } = await service.call("GET /me", `Bearer ${forged}`);
    assert.equal(status, 401, forgery);
    assert.match(challenge ?? "", /error="invalid_token"/);
  }
});

test("the algorithm is the configured one", async () => {
  const keys = [ed25519("a"), p256("b"), rsa("c")];
  const issuer = await Issuer.start(...keys);
  for (const { alg } of keys) {
    const service = await start(issuer.trust(alg));
    for (const key of keys) {
      assert.equal(await service.status(issuer.good(key)), key.alg === alg ? 200 : 401);
    }
  }
  assert.throws(() => createApp(issuer.trust("HS256")), /HS256/);
});

test("no token is 401 without an error code, and a low role is 403", async () => {
  const key = ed25519("a");
  const issuer = await Issuer.start(key);
  const service = await start(issuer.trust("EdDSA"));
  const bare = { status: 401, challenge: 'Bearer realm="reports"' };
  assert.deepEqual(await service.call("GET /me"), bare);
  assert.deepEqual(await service.call("GET /me", "Basic dTpw"), bare);
  assert.equal((await service.call("GET /me", `bearer ${issuer.good(key)}`)).status, 200);

  for (const [role, expected] of Object.entries({
    OWNER: 403,
    USER: 403,
    MANAGER: 200,
    ADMIN: 200,
  })) {
    const claims = { ...issuer.claims(), role };
    const given = await service.call("GET /reports", `Bearer ${token(key, header(key), claims)}`);
    assert.equal(given.status, expected, role);
    assert.equal(/insufficient_scope/.test(given.challenge ?? ""), expected === 403);
  }
});

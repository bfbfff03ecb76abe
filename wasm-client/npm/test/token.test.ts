import { readFileSync } from "node:fs";
import {
  CountersignError,
  loadTokens,
  type PublicJwk,
  remoteKeySet,
} from "@countersign/client/token";
import { expect, test, vi } from "vitest";
import { FakeServer, json } from "./support/fake-server.js";

interface Vectors {
  keys: { keys: PublicJwk[] };
  rules: { issuer: string; audience: string; now: number; leewaySeconds: number };
  cases: Case[];
  own: { cases: Case[] };
}

interface Case {
  name: string;
  token: string;
  accept: boolean;
  reason?: string;
  why: string;
}

const file = new URL("../../../vectors/access-tokens.json", import.meta.url);
const { keys, rules, cases, own }: Vectors = JSON.parse(readFileSync(file, "utf8"));
const expected = { ...rules, now: rules.now * 1000 };
const tokens = await loadTokens();

function vector(name: string): string {
  const found = cases.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no vector ${name}`);
  return found.token;
}

/** `header.claims` for `changes` of the good token's header, ready to be signed. */
function unsigned(changes: object): string {
  const { header, claims } = tokens.decode(vector("good"));
  const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString("base64url");
  return `${encode({ ...header, ...changes })}.${encode(claims)}`;
}

/** Until it has accepted a token of an EdDSA key, the WASM core verifies those itself; WebCrypto does afterwards. */
const fresh = () => structuredClone(keys);
for (const name of ["good", "good-other-key"]) await tokens.verify(vector(name), keys, expected);

test.each([...cases, ...own.cases])("$name: $why", async ({ token, accept, reason }) => {
  for (const set of [fresh(), keys]) {
    const verdict = tokens.verify(token, set, expected);
    if (accept) {
      expect((await verdict).iss).toBe(rules.issuer);
    } else {
      await expect(verdict).rejects.toMatchObject({
        name: "CountersignError",
        code: "UNAUTHENTICATED",
        reason,
      });
    }
  }
});

test("decode shows what stands in a token", () => {
  const { header, claims } = tokens.decode(vector("good"));
  expect(header).toEqual({ typ: "at+jwt", alg: "EdDSA", kid: "current" });
  expect(claims).toMatchObject({ iss: rules.issuer, aud: rules.audience, role: "USER", ver: 1 });
  expect(tokens.decode(vector("json-escapes")).claims.role).toBe("USER");
});

test("decode verifies nothing, and refuses what is malformed", () => {
  expect(tokens.decode(vector("tampered-payload")).claims.role).toBe("ADMIN");
  for (const name of ["empty", "two-segments", "duplicate-claim", "too-large", "missing-exp"]) {
    expect(() => tokens.decode(vector(name)), name).toThrow(CountersignError);
  }
  expect(() => tokens.decode(undefined as unknown as string)).toThrow(CountersignError);
});

test("checkClaims holds tokens of HS256 alone to the rules, and says nothing of their signature", () => {
  const token = `${unsigned({ alg: "HS256" })}.AAAA`;
  expect(tokens.checkClaims(token, expected)).toMatchObject({ iss: rules.issuer });
  const invalid = expect.objectContaining({ reason: "TOKEN_INVALID" });
  expect(() => tokens.checkClaims(vector("good"), expected)).toThrow(invalid);
  expect(() => tokens.checkClaims(token, { ...expected, audience: "other" })).toThrow(invalid);
  expect(() => tokens.checkClaims(`${unsigned({ alg: "none" })}.`, expected)).toThrow(invalid);
  expect(() => tokens.checkClaims(token, { ...expected, now: expected.now + 3_600_000 })).toThrow(
    expect.objectContaining({ reason: "TOKEN_EXPIRED" }),
  );
  expect(() => tokens.checkClaims(token, { ...expected, issuer: "" })).toThrow(
    expect.objectContaining({ code: "BAD_USER_INPUT", field: "issuer" }),
  );
});

test("the clock is this machine's unless one is given", async () => {
  const { now: _, ...rulesOfToday } = expected;
  vi.useFakeTimers({ toFake: ["Date"], now: expected.now });
  await expect(tokens.verify(vector("good"), keys, rulesOfToday)).resolves.toBeDefined();
  vi.setSystemTime(expected.now + 3_600_000);
  await expect(tokens.verify(vector("good"), keys, rulesOfToday)).rejects.toMatchObject({
    reason: "TOKEN_EXPIRED",
  });
  vi.useRealTimers();
});

test("a clock that is not a number accepts nothing", async () => {
  const verdict = tokens.verify(vector("good"), keys, { ...expected, now: Number.NaN });
  await expect(verdict).rejects.toMatchObject({ reason: "TOKEN_INVALID" });
});

test("keys that are not for signatures, or of another kind, verify nothing", async () => {
  const [good] = keys.keys;
  if (good === undefined) throw new Error("no key");
  for (const change of [
    { use: "enc" },
    { alg: "ES256" },
    { alg: null },
    { kty: "oct" },
    { crv: "X25519" },
    { x: "AAAA" },
    { x: "*" },
    { x: `${good.x}=` },
    { key_ops: ["sign", "verify"] },
    { key_ops: "verify" },
    { ext: 1 },
    { d: good.x },
  ]) {
    const verdict = tokens.verify(
      vector("good"),
      { keys: [{ ...good, ...change } as PublicJwk] },
      expected,
    );
    await expect(verdict, JSON.stringify(change)).rejects.toMatchObject({
      reason: "TOKEN_INVALID",
    });
  }
});

test("a set that its owner changes is read anew", async () => {
  const set = fresh();
  await expect(tokens.verify(vector("good"), set, expected)).resolves.toBeDefined();
  const [good] = set.keys.splice(0, 1);
  const invalid = { reason: "TOKEN_INVALID" };
  await expect(tokens.verify(vector("good"), set, expected)).rejects.toMatchObject(invalid);
  const [other] = set.keys;
  set.keys.unshift({ ...good, x: String(other?.x) } as PublicJwk);
  await expect(tokens.verify(vector("good"), set, expected)).rejects.toMatchObject(invalid);
});

test("a platform without Ed25519 leaves EdDSA to the WASM core", async () => {
  const importKey = vi
    .spyOn(crypto.subtle, "importKey")
    .mockRejectedValue(new DOMException("unknown algorithm", "NotSupportedError"));
  const set = fresh();
  for (const name of ["good", "good", "role-admin"]) {
    await expect(tokens.verify(vector(name), set, expected)).resolves.toBeDefined();
  }
  await expect(tokens.verify(vector("tampered-payload"), set, expected)).rejects.toMatchObject({
    reason: "TOKEN_INVALID",
  });
  expect(importKey).toHaveBeenCalledTimes(1);
});

const curves = {
  ES256: { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" },
  RS256: {
    name: "RSASSA-PKCS1-v1_5",
    modulusLength: 2048,
    publicExponent: new Uint8Array([1, 0, 1]),
    hash: "SHA-256",
  },
};

test.each(["ES256", "RS256"] as const)(
  "%s is verified by WebCrypto, with the same rules",
  async (alg) => {
    const pair = (await crypto.subtle.generateKey(curves[alg], true, [
      "sign",
      "verify",
    ])) as CryptoKeyPair;
    const jwk = await crypto.subtle.exportKey("jwk", pair.publicKey);
    const set = { keys: [{ ...jwk, kty: String(jwk.kty), kid: "web", use: "sig" }] } as typeof keys;
    const sign = async (input: string) => {
      const signature = await crypto.subtle.sign(curves[alg], pair.privateKey, Buffer.from(input));
      return `${input}.${Buffer.from(signature).toString("base64url")}`;
    };
    const good = await sign(unsigned({ alg, kid: "web" }));
    expect(await tokens.verify(good, set, expected)).toMatchObject({ iss: rules.issuer });

    const invalid = { reason: "TOKEN_INVALID" };
    const [header, , signature] = good.split(".");
    const other = tokens.decode(vector("role-admin")).claims;
    const tampered = `${header}.${Buffer.from(JSON.stringify(other)).toString("base64url")}.${signature}`;
    await expect(tokens.verify(tampered, set, expected)).rejects.toMatchObject(invalid);
    const renamed = await sign(unsigned({ alg: "EdDSA", kid: "web" }));
    await expect(tokens.verify(renamed, set, expected)).rejects.toMatchObject(invalid);
    const critical = await sign(unsigned({ alg, kid: "web", crit: ["exp"] }));
    await expect(tokens.verify(critical, set, expected)).rejects.toMatchObject(invalid);
    const late = { ...expected, now: expected.now + 3_600_000 };
    await expect(tokens.verify(good, set, late)).rejects.toMatchObject({ reason: "TOKEN_EXPIRED" });
    const broken = {
      keys: [{ kty: String(jwk.kty), crv: "P-256", kid: "web", x: "", n: "" }],
    } as unknown as typeof keys;
    await expect(tokens.verify(good, broken, expected)).rejects.toMatchObject(invalid);
  },
);

test("remote keys are fetched once, and again for unknown ones: after a vain search not for 30 seconds", async () => {
  const server = await FakeServer.start();
  let published = { keys: keys.keys.slice(0, 1) };
  server.on("/jwks", (_, response) => json(response, published));
  const remote = remoteKeySet(`${server.origin}/jwks`);
  const clock = vi.spyOn(performance, "now");
  const begin = Math.round(performance.now()); // fractions would not add up
  const at = (ms: number) => clock.mockReturnValue(begin + ms);
  const isUnknown = { reason: "TOKEN_INVALID" };

  at(0);
  await Promise.all([1, 2, 3].map(() => tokens.verify(vector("good"), remote, expected)));
  expect(server.calls).toHaveLength(1);
  for (const ms of [1_000, 2_000, 30_000]) {
    at(ms);
    const verdict = tokens.verify(vector("good-other-key"), remote, expected);
    await expect(verdict).rejects.toMatchObject(isUnknown);
    await tokens.verify(vector("good"), remote, expected);
    expect(server.calls).toHaveLength(2);
  }

  published = keys;
  at(31_000);
  await tokens.verify(vector("good-other-key"), remote, expected);
  await tokens.verify(vector("good"), remote, expected);
  expect(server.calls).toHaveLength(3);
  at(632_000);
  await tokens.verify(vector("good"), remote, expected);
  expect(server.calls).toHaveLength(4);
  clock.mockRestore();
  await server.stop();
});

test("a malformed token fetches no keys", async () => {
  const find = vi.fn(async () => keys);
  await expect(tokens.verify("a.b.c", find, expected)).rejects.toMatchObject({
    reason: "TOKEN_INVALID",
  });
  expect(find).not.toHaveBeenCalled();
});

test("keys that cannot be fetched now are no verdict", async () => {
  const server = await FakeServer.start();
  server.on("/jwks", (_, response) => response.writeHead(200).end("<html>"));
  const remote = remoteKeySet(`${server.origin}/jwks`);
  const undecided = { code: "NETWORK", retriable: true };
  await expect(tokens.verify(vector("good"), remote, expected)).rejects.toMatchObject(undecided);
  await server.stop();
  await expect(tokens.verify(vector("good"), remote, expected)).rejects.toMatchObject(undecided);
});

test("a server that has no keys to give is asked again after 30 seconds", async () => {
  const server = await FakeServer.start();
  server.on("/jwks", (_, response) => json(response, keys, 500));
  const remote = remoteKeySet(`${server.origin}/jwks`);
  const begin = performance.now();
  const clock = vi.spyOn(performance, "now").mockReturnValue(begin);
  for (let round = 0; round < 5; round += 1) {
    await expect(tokens.verify(vector("good"), remote, expected)).rejects.toMatchObject({
      code: "NETWORK",
    });
  }
  expect(server.calls).toHaveLength(1);
  server.on("/jwks", (_, response) => json(response, keys));
  clock.mockReturnValue(begin + 31_000);
  await tokens.verify(vector("good"), remote, expected);
  expect(server.calls).toHaveLength(2);
  clock.mockRestore();
  await server.stop();
});

test("what is no key in a set is passed over", async () => {
  const server = await FakeServer.start();
  server.on("/jwks", (_, response) => json(response, { keys: [null, "key", ...keys.keys] }));
  const remote = remoteKeySet(`${server.origin}/jwks`);
  await expect(tokens.verify(vector("good"), remote, expected)).resolves.toBeDefined();
  await server.stop();
  for (const set of [{}, null, { keys: [null] }] as unknown as (typeof keys)[]) {
    await expect(tokens.verify(vector("good"), set, expected)).rejects.toMatchObject({
      reason: "TOKEN_INVALID",
    });
  }
});

test.each(["issuer", "audience"])("rules without %s are refused by name", async (field) => {
  for (const rule of [undefined, ""]) {
    const verdict = tokens.verify(vector("good"), keys, { ...expected, [field]: rule });
    await expect(verdict).rejects.toMatchObject({ code: "BAD_USER_INPUT", field });
  }
});

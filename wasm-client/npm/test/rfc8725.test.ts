// RFC 8725 (JSON Web Token Best Current Practices), section by section, for what a client checks. The server has the same
// sections in server/tests/it/rfc8725.rs.
import { readFileSync } from "node:fs";
import { loadTokens, type PublicJwk } from "@countersign/client/token";
import { expect, test, vi } from "vitest";

interface Vectors {
  keys: { keys: PublicJwk[] };
  rules: { issuer: string; audience: string; now: number; leewaySeconds: number };
  cases: { name: string; token: string }[];
  rfc8725: Record<string, string[]>;
}

const file = new URL("../../../vectors/access-tokens.json", import.meta.url);
const { keys, rules, cases, rfc8725 }: Vectors = JSON.parse(readFileSync(file, "utf8"));
const expected = { ...rules, now: rules.now * 1000 };
const tokens = await loadTokens();
const invalid = { code: "UNAUTHENTICATED", reason: "TOKEN_INVALID" };

function vector(name: string): string {
  const found = cases.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no vector ${name}`);
  return found.token;
}

/** The keys of the vectors, of which `kid` has these members, too. */
function published(kid: string, changes: object): { keys: PublicJwk[] } {
  return { keys: keys.keys.map((key) => (key.kid === kid ? { ...key, ...changes } : key)) };
}

const base64url = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64url");

test.each([
  "section 3.1: the algorithm is that of the key",
  "section 3.2: only appropriate algorithms",
  "section 3.3: every signature is checked",
  "section 3.4: numbers of signatures are checked",
  "section 3.6: nothing is encrypted or decompressed",
  "section 3.7: JSON is UTF-8",
  "section 3.8: issuer and subject are checked",
  "section 3.9: the audience is checked",
  "section 3.10: what a token says finds no keys",
  "section 3.11: the type is explicit",
  "section 3.12: no other kind of token passes",
])("%s", async (title) => {
  await expect(tokens.verify(vector("good"), keys, expected)).resolves.toBeDefined();
  const [, section = ""] = title.split(/[ :]/);
  const names = rfc8725[section] ?? [];
  expect(names).not.toHaveLength(0);
  for (const name of names) {
    const verdict = tokens.verify(vector(name), keys, expected);
    await expect(verdict, name).rejects.toMatchObject(invalid);
  }
});

test("section 3.4: a point that is not on the curve verifies nothing", async () => {
  const other = published("elliptic", { y: base64url(new Uint8Array(32).fill(1)) });
  await expect(tokens.verify(vector("es256"), other, expected)).rejects.toMatchObject(invalid);
});

test("section 3.4: under a point of small order nobody signs", async () => {
  const identity = new Uint8Array(32);
  identity[0] = 1;
  const message = vector("good").split(".").slice(0, 2).join(".");
  // What anybody can make: R is the identity, too, and S is 0.
  const forged = `${message}.${base64url(Buffer.concat([identity, new Uint8Array(32)]))}`;
  const weak = published("current", { x: base64url(identity) });
  await expect(tokens.verify(forged, weak, expected)).rejects.toMatchObject(invalid);
});

test("section 3.5: RSA keys shorter than 2048 bits, or with an exponent that anybody inverts, verify nothing", async () => {
  await expect(tokens.verify(vector("rs256"), keys, expected)).resolves.toBeDefined();
  const short = (await crypto.subtle.generateKey(
    {
      name: "RSASSA-PKCS1-v1_5",
      modulusLength: 1024,
      publicExponent: new Uint8Array([1, 0, 1]),
      hash: "SHA-256",
    },
    true,
    ["sign", "verify"],
  )) as CryptoKeyPair;
  const { n } = await crypto.subtle.exportKey("jwk", short.publicKey);
  const message = vector("rs256").split(".").slice(0, 2).join(".");
  const signed = await crypto.subtle.sign(
    "RSASSA-PKCS1-v1_5",
    short.privateKey,
    new TextEncoder().encode(message),
  );
  const token = `${message}.${base64url(new Uint8Array(signed))}`;
  const weak = published("rsa", { n });
  await expect(tokens.verify(token, weak, expected)).rejects.toMatchObject(invalid);
  for (const e of ["AQ", "Aw", "AQAA"]) {
    const verdict = tokens.verify(vector("rs256"), published("rsa", { e }), expected);
    await expect(verdict, e).rejects.toMatchObject(invalid);
  }
});

test("section 3.10: keys come from where the caller says, whatever the token says", async () => {
  const fetch = vi.spyOn(globalThis, "fetch");
  const source = vi.fn(async () => keys);
  for (const name of ["header-jku", "header-x5u", "kid-address"]) {
    await expect(tokens.verify(vector(name), source, expected)).rejects.toMatchObject(invalid);
  }
  expect(source).toHaveBeenCalledTimes(3);
  expect(fetch).not.toHaveBeenCalled();
});

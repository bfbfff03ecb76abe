// Writes access-tokens.json: tokens that every verifier of this project must accept or refuse alike.
//
// It uses node:crypto and nothing else, so that it shares no code with the verifiers under test, and fixed seeds, so
// that running it again writes the same bytes.
import {
  checkPrimeSync,
  constants,
  createECDH,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  privateEncrypt,
  sign,
  verify,
} from "node:crypto";
import { writeFileSync } from "node:fs";
import { deflateRawSync } from "node:zlib";

const ISSUER = "https://auth.example.com";
const AUDIENCE = "https://api.example.com";
const NOW = 1_800_000_000;
const LEEWAY_SECONDS = 30;
const MAX_TOKEN_BYTES = 8192;
/** The order of Ed25519's base point (RFC 8032, section 5.1). */
const ED25519_ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;

const base64url = (bytes) => Buffer.from(bytes).toString("base64url");
const bytes32 = (label) => createHash("sha256").update(`countersign vectors: ${label}`).digest();

function keyPair(label) {
  // An Ed25519 private key in PKCS #8 is this prefix and the 32-byte seed (RFC 8410, section 7).
  const der = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), bytes32(label)]);
  const privateKey = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  const { x } = createPublicKey(privateKey).export({ format: "jwk" });
  return { kid: label, privateKey, x, jwk: { kty: "OKP", crv: "Ed25519", alg: "EdDSA", use: "sig", kid: label, x } };
}

const current = keyPair("current");
const previous = keyPair("previous");
const attacker = keyPair("attacker");

const toNumber = (bytes) => BigInt(`0x${bytes.toString("hex")}`);
const toBytes = (number, length) => Buffer.from(number.toString(16).padStart(2 * length, "0"), "hex");
const modulo = (number, order) => ((number % order) + order) % order;

/** The number whose product with `number` is 1, by Euclid's algorithm. */
function inverse(number, order) {
  let [a, b, x, y] = [modulo(number, order), order, 1n, 0n];
  while (a > 1n) [a, b, x, y] = [b % a, a, y - (b / a) * x, x];
  return modulo(x, order);
}

/** Curves for ECDSA (FIPS 186-5): the order of the base point, and the hash that JOSE uses with it (RFC 7518, section 3.4). */
const CURVES = {
  "P-256": { alg: "ES256", node: "prime256v1", hash: "sha256", size: 32, order: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n },
  "P-384": { alg: "ES384", node: "secp384r1", hash: "sha384", size: 48, order: 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n },
};

function ecKeyPair(label, crv) {
  const curve = CURVES[crv];
  const secret = createHash(curve.hash).update(`countersign vectors: ${label}`).digest();
  const point = createECDH(curve.node);
  point.setPrivateKey(secret);
  const [x, y] = [1, 1 + curve.size].map((at) => base64url(point.getPublicKey().subarray(at, at + curve.size)));
  const privateKey = createPrivateKey({ format: "jwk", key: { kty: "EC", crv, x, y, d: base64url(secret) } });
  return { kid: label, curve, secret, privateKey, jwk: { kty: "EC", crv, alg: curve.alg, use: "sig", kid: label, x, y } };
}

/**
 * An ECDSA signature as JOSE writes it, r and s. Node's own have a random nonce, and these are to be the same in every run: the
 * nonce is a hash of key and message, which is well for vectors and for nothing else. Node checks it.
 */
function ecSign(input, { curve: { node, hash, size, order }, secret, privateKey }) {
  const nonce = createHash(hash).update(secret).update(input).digest();
  const point = createECDH(node);
  point.setPrivateKey(nonce);
  const r = modulo(toNumber(point.getPublicKey().subarray(1, 1 + size)), order);
  const digest = toNumber(createHash(hash).update(input).digest());
  const s = modulo(inverse(toNumber(nonce), order) * (digest + r * toNumber(secret)), order);
  const signature = Buffer.concat([toBytes(r, size), toBytes(s, size)]);
  const key = { key: createPublicKey(privateKey), dsaEncoding: "ieee-p1363" };
  if (!verify(hash, Buffer.from(input), key, signature)) throw new Error("no ECDSA signature");
  return signature;
}

/** Bytes without end that depend on `label`: MGF1 (RFC 8017, appendix B.2.1). */
function expand(seed, length) {
  const blocks = Array.from({ length: Math.ceil(length / 32) }, (_, counter) =>
    createHash("sha256").update(seed).update(toBytes(BigInt(counter), 4)).digest(),
  );
  return Buffer.concat(blocks).subarray(0, length);
}

/** The first prime of 1024 bits after a number made from `label`, whose two highest bits are set. */
function prime(label) {
  let candidate = toNumber(expand(bytes32(label), 128)) | (3n << 1022n) | 1n;
  while (!checkPrimeSync(candidate) || candidate % 65537n === 1n) candidate += 2n;
  return candidate;
}

/** RSA of 2048 bits: the shortest that verifiers accept. */
function rsaKeyPair(label) {
  const [p, q, e] = [prime(`${label} p`), prime(`${label} q`), 65537n];
  const d = inverse(e, (p - 1n) * (q - 1n));
  const parts = { n: p * q, e, d, p, q, dp: d % (p - 1n), dq: d % (q - 1n), qi: inverse(q, p) };
  const hex = (number) => number.toString(16);
  const encoded = Object.entries(parts).map(([name, number]) => [
    name,
    base64url(toBytes(number, Math.ceil(hex(number).length / 2))),
  ]);
  const key = { kty: "RSA", ...Object.fromEntries(encoded) };
  const privateKey = createPrivateKey({ format: "jwk", key });
  return { kid: label, privateKey, jwk: { kty: "RSA", alg: "RS256", use: "sig", kid: label, n: key.n, e: key.e } };
}

const rsaSign = (input, { privateKey }) => sign("sha256", Buffer.from(input), privateKey);

/** RSASSA-PSS (RFC 8017, section 9.1.1) with a salt that is the same in every run. Node checks it. */
function pssSign(input, { privateKey }) {
  const salt = bytes32("salt");
  const digest = createHash("sha256").update(input).digest();
  const hash = createHash("sha256").update(Buffer.alloc(8)).update(digest).update(salt).digest();
  const block = Buffer.concat([Buffer.alloc(190), Buffer.of(1), salt]);
  const mask = expand(hash, block.length);
  const masked = block.map((byte, at) => byte ^ mask[at]);
  masked[0] &= 0x7f;
  const encoded = Buffer.concat([masked, hash, Buffer.of(0xbc)]);
  const signature = privateEncrypt({ key: privateKey, padding: constants.RSA_NO_PADDING }, encoded);
  const key = { key: createPublicKey(privateKey), padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
  if (!verify("sha256", Buffer.from(input), key, signature)) throw new Error("no PSS signature");
  return signature;
}

const elliptic = ecKeyPair("elliptic", "P-256");
const longer = ecKeyPair("longer", "P-384");
const rsa = rsaKeyPair("rsa");
/** A secret of the server's own, which no JWKS publishes. */
const secret = { kid: "secret", bytes: bytes32("secret") };
secret.jwk = { kty: "oct", alg: "HS256", use: "sig", kid: secret.kid, k: base64url(secret.bytes) };

const goodHeader = { typ: "at+jwt", alg: "EdDSA", kid: current.kid };
const goodClaims = {
  iss: ISSUER,
  aud: AUDIENCE,
  sub: "01996f00-0000-7000-8000-000000000001",
  client_id: "countersign",
  sid: "01996f00-0000-7000-8000-000000000002",
  ver: 1,
  role: "USER",
  iat: NOW - 60,
  exp: NOW + 840,
  jti: "01996f00-0000-7000-8000-000000000003",
  auth_time: NOW - 60,
};

/** A segment: bytes and text as they are, anything else as JSON. */
const segment = (part) => base64url(typeof part === "string" || Buffer.isBuffer(part) ? part : JSON.stringify(part));
const signInput = (input, key = current) => `${input}.${base64url(sign(null, Buffer.from(input), key.privateKey))}`;
const token = (header = goodHeader, claims = goodClaims, key = current) =>
  signInput(`${segment(header)}.${segment(claims)}`, key);
const withHeader = (changes) => token({ ...goodHeader, ...changes });
const withClaims = (changes) => token(goodHeader, { ...goodClaims, ...changes });
const without = (object, name) => Object.fromEntries(Object.entries(object).filter(([key]) => key !== name));
/** The good claims as JSON text with one more member written before the closing brace. */
const claimsPlus = (member) => `${JSON.stringify(goodClaims).slice(0, -1)},${member}}`;
const headerPlus = (member) => `${JSON.stringify(goodHeader).slice(0, -1)},${member}}`;
/** The good claims as JSON text, with the raw text `value` as `exp`. */
const rawExp = (value) => JSON.stringify(goodClaims).replace(`"exp":${goodClaims.exp}`, `"exp":${value}`);

const good = token();
const [goodH, goodP, goodS] = good.split(".");

/** The JSON with spaces before its closing brace until its base64url form ends in a group with unused bits. */
function unevenSegment(json) {
  let text = json;
  while (Buffer.byteLength(text) % 3 === 0) text = text.replace(/}$/, " }");
  return segment(text);
}

/** The padding that base64 (not base64url) asks for. */
const padded = (encoded) => encoded.padEnd(Math.ceil(encoded.length / 4) * 4, "=");

/** The same bytes in another spelling: the lowest bit of the last character belongs to no byte. */
function flipUnusedBit(encoded) {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const other = encoded.slice(0, -1) + alphabet[alphabet.indexOf(encoded.at(-1)) ^ 1];
  if (!Buffer.from(other, "base64url").equals(Buffer.from(encoded, "base64url"))) throw new Error("no unused bit");
  return other;
}

/** The signature with S replaced by S + order: the same point, another spelling (RFC 8032, section 5.1.7). */
function malleable(signature) {
  const bytes = Buffer.from(signature, "base64url");
  const s = BigInt(`0x${Buffer.from(bytes.subarray(32)).reverse().toString("hex")}`) + ED25519_ORDER;
  const shifted = Buffer.from(s.toString(16).padStart(64, "0"), "hex").reverse();
  return base64url(Buffer.concat([bytes.subarray(0, 32), shifted]));
}

/** A good token whose signature has characters that differ between base64url and base64. */
function tokenWithBothAlphabets() {
  for (let ver = 1; ; ver += 1) {
    const candidate = withClaims({ ver });
    if (/[-_]/.test(candidate.split(".")[2])) return candidate;
  }
}

/** A good token of `size` bytes, or the next possible size in the direction of `step`. */
function tokenOfSize(size, step) {
  for (let wanted = size; ; wanted += step) {
    const filler = Math.floor(((wanted - good.length - 40) * 3) / 4);
    for (let more = 0; more < 64; more += 1) {
      const candidate = withClaims({ filler: "x".repeat(filler + more) });
      if (candidate.length === wanted) return candidate;
    }
  }
}

const hmac = (input, bytes) => createHmac("sha256", bytes).update(input).digest();
/** A token whose header says `alg` and `kid`, with the good claims or others, signed by `signer`. */
const signedBy = (signer, alg, kid, claims = goodClaims) => {
  const input = `${segment({ ...goodHeader, alg, kid })}.${segment(claims)}`;
  return `${input}.${base64url(signer(input))}`;
};
const hs256 = (bytes, kid = current.kid) => signedBy((input) => hmac(input, bytes), "HS256", kid);
const es256 = (claims, alg = "ES256", kid = elliptic.kid) => signedBy((input) => ecSign(input, elliptic), alg, kid, claims);
const rs256 = (claims, alg = "RS256", kid = rsa.kid) => signedBy((input) => rsaSign(input, rsa), alg, kid, claims);

/** The algorithm of the key that a token names; EdDSA when it names none of these. */
function algorithmOf(value) {
  try {
    const { kid } = JSON.parse(Buffer.from(value.split(".")[0], "base64url"));
    return [elliptic, longer, rsa, secret].find((key) => key.kid === kid)?.jwk.alg ?? "EdDSA";
  } catch {
    return "EdDSA";
  }
}

const cases = [];
/** Those that need a key which only the server has. */
const secretCases = [];
const names = new Set();
function add(name, value, verdict, why, list = cases) {
  if (names.has(name)) throw new Error(`two vectors are called ${name}`);
  names.add(name);
  list.push({ name, algorithm: algorithmOf(value), token: value, ...verdict, why });
}
const accept = (name, value, why) => add(name, value, { accept: true }, why);
const invalid = (name, value, why) => add(name, value, { accept: false, reason: "TOKEN_INVALID" }, why);
const expired = (name, value, why) => add(name, value, { accept: false, reason: "TOKEN_EXPIRED" }, why);

// What a verifier must let through.
accept("good", good, "as the server signs it");
accept("good-other-key", token({ ...goodHeader, kid: previous.kid }, goodClaims, previous), "kid picks the key");
accept("typ-application", withHeader({ typ: "application/at+jwt" }), "RFC 9068, section 4 allows the long form");
accept("typ-upper-case", withHeader({ typ: "AT+JWT" }), "media types are compared without case (RFC 2045, section 5.1)");
accept("alg-ed25519", withHeader({ alg: "Ed25519" }), "RFC 9864 names the same algorithm so");
accept("unknown-header-member", withHeader({ "x-note": { any: [1] } }), "RFC 7515, section 4 ignores what is not in crit");
accept("unknown-claim", withClaims({ "x-note": { any: [1, null, "é"] } }), "RFC 7519, section 4 ignores what is not understood");
accept("audience-list", withClaims({ aud: ["https://other.example.com", AUDIENCE] }), "RFC 7519, section 4.1.3: one of them is ours");
accept("json-whitespace", token(goodHeader, JSON.stringify(goodClaims, null, 2)), "JSON may be laid out freely");
accept("json-escapes", token(goodHeader, JSON.stringify(goodClaims).replace('"role"', '"ro\\u006ce"')), "an escaped name is the same name");
accept("role-manager", withClaims({ role: "MANAGER" }), "a role of the contract");
accept("role-admin", withClaims({ role: "ADMIN" }), "a role of the contract");
accept("expired-within-leeway", withClaims({ exp: NOW - 20 }), "clocks differ: 30 s of leeway");
accept("not-before-past", withClaims({ nbf: NOW - 60 }), "its time has come");
accept("not-before-within-leeway", withClaims({ nbf: NOW + 20 }), "clocks differ: 30 s of leeway");
accept("issued-in-the-future", withClaims({ iat: NOW + 600, auth_time: NOW + 600 }), "RFC 7519, section 4.1.6 gives the age only; nbf is what refuses");
accept("largest", tokenOfSize(MAX_TOKEN_BYTES, -1), "8 KiB is still read");

// Time.
expired("expired", withClaims({ exp: NOW - 60 }), "past its life");
expired("expired-just-past-leeway", withClaims({ exp: NOW - 31 }), "one second more than the leeway");
expired("exp-zero", withClaims({ exp: 0 }), "a whole number, long past");
invalid("not-yet-valid", withClaims({ nbf: NOW + 600 }), "nbf is in the future");
invalid("not-yet-valid-just-past-leeway", withClaims({ nbf: NOW + 31 }), "one second more than the leeway");
invalid("expired-and-tampered", `${goodH}.${segment({ ...goodClaims, exp: NOW - 60 })}.${goodS}`, "nothing is read from claims that nobody signed");
invalid("exp-text", withClaims({ exp: String(goodClaims.exp) }), "times are numbers");
invalid("exp-fraction", withClaims({ exp: goodClaims.exp + 0.5 }), "times are whole seconds here");
invalid("exp-exponent", token(goodHeader, rawExp("1.8e10")), "times are written as integers here");
invalid("exp-negative", withClaims({ exp: -1 }), "times are not negative here");
invalid("exp-beyond-64-bits", token(goodHeader, rawExp("18446744073709551616")), "no integer type holds it");
invalid("exp-beyond-double", token(goodHeader, rawExp("1e400")), "no number type holds it");
invalid("exp-null", withClaims({ exp: null }), "null is not a time");
invalid("exp-list", withClaims({ exp: [goodClaims.exp] }), "a list is not a time");
invalid("iat-text", withClaims({ iat: "yesterday" }), "times are numbers");
invalid("nbf-text", withClaims({ nbf: "tomorrow" }), "times are numbers");

// Claims.
invalid("wrong-issuer", withClaims({ iss: "https://evil.example.com" }), "another server's token");
invalid("issuer-with-slash", withClaims({ iss: `${ISSUER}/` }), "issuers are compared byte by byte");
invalid("issuer-list", withClaims({ iss: [ISSUER] }), "RFC 7519, section 4.1.1: one text");
invalid("wrong-audience", withClaims({ aud: "https://other.example.com" }), "meant for another API");
invalid("audience-list-without-us", withClaims({ aud: ["https://other.example.com"] }), "meant for another API");
invalid("audience-empty-list", withClaims({ aud: [] }), "meant for nobody");
invalid("audience-number", withClaims({ aud: 1 }), "RFC 7519, section 4.1.3: text or a list of texts");
for (const name of ["iss", "aud", "sub", "client_id", "sid", "ver", "role", "iat", "exp", "jti", "auth_time"]) {
  invalid(`missing-${name}`, token(goodHeader, without(goodClaims, name)), "RFC 9068, section 2.2 and this profile need it");
}
invalid("sub-number", withClaims({ sub: 1 }), "a subject is text");
invalid("ver-text", withClaims({ ver: "1" }), "a version is a number");
invalid("role-number", withClaims({ role: 1 }), "a role is text");

// The header.
invalid("typ-wrong", withHeader({ typ: "JWT" }), "an ID token is not an access token (RFC 9068, section 4)");
invalid("typ-missing", token(without(goodHeader, "typ")), "RFC 9068, section 4 needs it");
invalid("typ-number", withHeader({ typ: 1 }), "typ is text");
invalid("alg-none", `${segment({ ...goodHeader, alg: "none" })}.${goodP}.`, "unsigned");
invalid("alg-none-with-signature", withHeader({ alg: "none" }), "none is never an algorithm of a key");
invalid("alg-none-spelled-otherwise", `${segment({ ...goodHeader, alg: "nOnE" })}.${goodP}.`, "unsigned");
invalid("alg-missing", token(without(goodHeader, "alg")), "RFC 7515, section 4.1.1 needs it");
invalid("alg-lower-case", withHeader({ alg: "eddsa" }), "names of algorithms are compared with case");
invalid("alg-hs256-with-public-key", hs256(Buffer.from(current.x, "base64url")), "key confusion: the public key is no secret");
invalid("alg-hs256-with-public-key-text", hs256(current.x), "key confusion: the public key is no secret");
invalid("alg-es256-of-eddsa-key", withHeader({ alg: "ES256" }), "the key that kid names says which algorithm, not the header");
invalid("kid-unknown", withHeader({ kid: "nobody" }), "no such key");
invalid("kid-missing", token(without(goodHeader, "kid")), "keys are not tried one after the other");
invalid("kid-number", withHeader({ kid: 1 }), "kid is text");
invalid("kid-of-another-key", withHeader({ kid: previous.kid }), "signed by one key, names another");
invalid("crit-unknown", withHeader({ crit: ["x-note"], "x-note": 1 }), "RFC 7515, section 4.1.11: refuse what is not understood");
invalid("crit-empty", withHeader({ crit: [] }), "RFC 7515, section 4.1.11: never empty");
invalid("crit-text", withHeader({ crit: "exp" }), "RFC 7515, section 4.1.11: a list");
invalid("crit-b64-false", withHeader({ crit: ["b64"], b64: false }), "RFC 7797 is not understood here");
invalid("embedded-jwk", token({ ...goodHeader, jwk: attacker.jwk }, goodClaims, attacker), "a key never comes from the token");
invalid("embedded-jwk-own-kid", token({ ...goodHeader, kid: attacker.kid, jwk: attacker.jwk }, goodClaims, attacker), "a key never comes from the token");
invalid("attacker-key", token(goodHeader, goodClaims, attacker), "signed by somebody else");

for (const [name, kid] of [["path", "../../../../dev/null"], ["query", "' OR '1'='1"], ["address", "https://evil.example.com/key"], ["zero-byte", "current\0"]])
  invalid(`kid-${name}`, token({ ...goodHeader, kid }, goodClaims, attacker), "RFC 8725, section 3.10: a name to compare, and nothing to look up with");
for (const [name, value] of [["jku", "https://evil.example.com/jwks.json"], ["x5u", "https://evil.example.com/cert.pem"], ["x5c", ["MIIB"]]])
  invalid(`header-${name}`, token({ ...goodHeader, kid: attacker.kid, [name]: value }, goodClaims, attacker), "RFC 8725, section 3.10: a key never comes from where the token says");
invalid("compressed", signInput(`${segment({ ...goodHeader, zip: "DEF" })}.${segment(deflateRawSync(JSON.stringify(goodClaims)))}`), "RFC 8725, section 3.6: nothing is decompressed");
invalid("nested", token({ ...goodHeader, cty: "JWT" }, good), "RFC 8725, section 3.3: no token within a token");

// The signature.
invalid("tampered-payload", `${goodH}.${segment({ ...goodClaims, role: "ADMIN" })}.${goodS}`, "not what was signed");
invalid("tampered-header", `${segment({ ...goodHeader, "x-note": 1 })}.${goodP}.${goodS}`, "not what was signed");
invalid("tampered-signature", `${goodH}.${goodP}.${goodS.startsWith("A") ? "B" : "A"}${goodS.slice(1)}`, "one bit or more changed");
invalid("signature-zero", `${goodH}.${goodP}.${base64url(Buffer.alloc(64))}`, "64 zero bytes");
invalid("signature-empty", `${goodH}.${goodP}.`, "no signature");
invalid("signature-short", `${goodH}.${goodP}.${base64url(Buffer.from(goodS, "base64url").subarray(0, 63))}`, "63 bytes");
invalid("signature-long", `${goodH}.${goodP}.${base64url(Buffer.concat([Buffer.from(goodS, "base64url"), Buffer.alloc(1)]))}`, "65 bytes");
invalid("signature-malleable", `${goodH}.${goodP}.${malleable(goodS)}`, "S is not below the order (RFC 8032, section 5.1.7)");

// The spelling.
invalid("signature-loose-bits", `${goodH}.${goodP}.${flipUnusedBit(goodS)}`, "two spellings of one token (RFC 4648, section 3.5)");
invalid("payload-loose-bits", signInput(`${goodH}.${flipUnusedBit(unevenSegment(JSON.stringify(goodClaims)))}`), "not canonical, though signed (RFC 4648, section 3.5)");
invalid("header-loose-bits", signInput(`${flipUnusedBit(unevenSegment(JSON.stringify(goodHeader)))}.${goodP}`), "not canonical, though signed (RFC 4648, section 3.5)");
invalid("signature-padded", `${goodH}.${goodP}.${padded(goodS)}`, "RFC 7515, section 2: no padding");
invalid("payload-padded", signInput(`${goodH}.${padded(unevenSegment(JSON.stringify(goodClaims)))}`), "RFC 7515, section 2: no padding");
const both = tokenWithBothAlphabets();
invalid("signature-standard-base64", both.slice(0, both.lastIndexOf(".")) + both.slice(both.lastIndexOf(".")).replaceAll("-", "+").replaceAll("_", "/"), "RFC 7515, section 2: the URL alphabet");
invalid("space-before", ` ${good}`, "not part of a token");
invalid("newline-after", `${good}\n`, "not part of a token");
invalid("space-within", `${goodH}. ${goodP}.${goodS}`, "not part of a token");
invalid("truncated", good.slice(0, -10), "cut off");
invalid("two-segments", `${goodH}.${goodP}`, "RFC 7515, section 7.1: three segments");
invalid("four-segments", `${good}.${goodS}`, "RFC 7515, section 7.1: three segments");
invalid("five-segments", `${goodH}.${goodP}.${goodP}.${goodP}.${goodS}`, "an encrypted token (RFC 7516) is none of ours");
invalid("empty", "", "nothing there");
invalid("one-dot", ".", "nothing there");
invalid("only-dots", "..", "nothing there");
invalid("plain-text", "null", "not a token");
invalid("non-ascii", `${goodH}.${goodP}é.${goodS}`, "not base64url");
invalid("full-width-dots", good.replaceAll(".", "．"), "not a token");
invalid("zero-byte", `${good}\0`, "not part of a token");
invalid("too-large", tokenOfSize(MAX_TOKEN_BYTES + 1, 1), "more than 8 KiB is not read");

// The JSON inside.
invalid("duplicate-claim", token(goodHeader, claimsPlus('"role":"ADMIN"')), "RFC 7519, section 4: names are unique; two readers would differ");
invalid("duplicate-claim-escaped", token(goodHeader, claimsPlus('"ro\\u006ce":"ADMIN"')), "the same name in another spelling");
invalid("duplicate-exp", token(goodHeader, claimsPlus(`"exp":${NOW + 86_400}`)), "two lives");
invalid("duplicate-nbf", token(goodHeader, claimsPlus('"nbf":1,"nbf":2')), "two lives");
invalid("duplicate-unknown-claim", token(goodHeader, claimsPlus('"x-note":1,"x-note":2')), "names are unique, known or not");
invalid("duplicate-header-alg", token(headerPlus('"alg":"EdDSA"')), "RFC 7515, section 4: names are unique");
invalid("duplicate-header-kid", token(headerPlus('"kid":"previous"')), "RFC 7515, section 4: names are unique");
invalid("duplicate-unknown-header", token(headerPlus('"x-note":1,"x-note":2')), "names are unique, known or not");
invalid("payload-empty", signInput(`${goodH}.`), "no claims");
invalid("payload-list", token(goodHeader, [goodClaims]), "claims are an object");
invalid("payload-values-in-order", token(goodHeader, Object.values(goodClaims)), "claims are an object, also where a reader would take a list in order");
invalid("payload-text", token(goodHeader, '"claims"'), "claims are an object");
invalid("payload-null", token(goodHeader, "null"), "claims are an object");
invalid("payload-not-json", token(goodHeader, "claims"), "not JSON");
invalid("payload-trailing-data", token(goodHeader, `${JSON.stringify(goodClaims)}{}`), "one JSON text, no more");
invalid("payload-trailing-comma", token(goodHeader, JSON.stringify(goodClaims).replace(/}$/, ",}")), "not JSON");
invalid("payload-byte-order-mark", token(goodHeader, `\ufeff${JSON.stringify(goodClaims)}`), "RFC 8259, section 8.1: none in a JSON text");
invalid("payload-not-utf-8", token(goodHeader, Buffer.from(JSON.stringify({ ...goodClaims, sub: "\u00ff" }), "latin1")), "RFC 8259, section 8.1: UTF-8");
invalid("payload-lone-surrogate", token(goodHeader, JSON.stringify({ ...goodClaims, sub: "@" }).replace('"@"', '"\\ud800"')), "no such character");
invalid("header-list", token([goodHeader]), "a header is an object");
invalid("header-values-in-order", token(Object.values(goodHeader)), "a header is an object, also where a reader would take a list in order");
invalid("header-not-json", token("header"), "not JSON");
invalid("header-empty-object", token({}), "no algorithm, no key, no type");

// Other algorithms.
const admin = { ...goodClaims, role: "ADMIN" };
const pem = (key) => createPublicKey(key.privateKey).export({ format: "pem", type: "spki" });
const der = (key) => createPublicKey(key.privateKey).export({ format: "der", type: "spki" });
const withSignature = (value, change) => {
  const [input, signature] = [value.slice(0, value.lastIndexOf(".")), value.slice(value.lastIndexOf(".") + 1)];
  return `${input}.${base64url(change(Buffer.from(signature, "base64url")))}`;
};
/** The same signature in the form of X.509: two ASN.1 integers. */
const asDer = (signature) => {
  const integers = [signature.subarray(0, 32), signature.subarray(32)].map((bytes) => {
    const start = bytes.findIndex((byte) => byte !== 0);
    const number = Buffer.concat([Buffer.alloc(bytes[start] & 0x80 ? 1 : 0), bytes.subarray(start)]);
    return Buffer.concat([Buffer.of(2, number.length), number]);
  });
  const body = Buffer.concat(integers);
  const sequence = Buffer.concat([Buffer.of(0x30, body.length), body]);
  if (sequence.length < 70 || sequence.length > 72) throw new Error("no ECDSA signature in DER");
  return sequence;
};
/** A signature whose s is replaced by the other one that is as good; RFC 7518 does not forbid it, and no verifier refuses it. */
const otherS = (signature) =>
  Buffer.concat([signature.subarray(0, 32), toBytes(CURVES["P-256"].order - toNumber(signature.subarray(32)), 32)]);

accept("es256", es256(), "RFC 7518, section 3.4: r and s, 64 bytes");
accept("es256-other-claims", es256(admin), "another token of the same key");
accept("es256-other-s", withSignature(es256(), otherS), "ECDSA has two signatures of one nonce, and JOSE allows both");
accept("rs256", rs256(), "RFC 7518, section 3.3");
accept("rs256-other-claims", rs256(admin), "another token of the same key");
expired("es256-expired", es256({ ...goodClaims, exp: NOW - 60 }), "past its life");
expired("rs256-expired", rs256({ ...goodClaims, exp: NOW - 60 }), "past its life");
invalid("es256-wrong-issuer", es256({ ...goodClaims, iss: "https://evil.example.com" }), "another server's token");
invalid("rs256-wrong-audience", rs256({ ...goodClaims, aud: "https://other.example.com" }), "meant for another API");
invalid("es256-der", withSignature(es256(), asDer), "X.509's form of a signature is not JOSE's");
invalid("es256-short", withSignature(es256(), (signature) => signature.subarray(0, 63)), "63 bytes");
invalid("es256-long", withSignature(es256(), (signature) => Buffer.concat([signature, Buffer.alloc(1)])), "65 bytes");
invalid("es256-zero", withSignature(es256(), () => Buffer.alloc(64)), "r and s of 0 would be good for anything (CVE-2022-21449)");
invalid("es256-s-zero", withSignature(es256(), (signature) => Buffer.concat([signature.subarray(0, 32), Buffer.alloc(32)])), "s is not 0");
invalid("es256-r-order", withSignature(es256(), (signature) => Buffer.concat([toBytes(CURVES["P-256"].order, 32), signature.subarray(32)])), "r is below the order");
invalid("es256-tampered-payload", es256().replace(`.${goodP}.`, `.${segment(admin)}.`), "not what was signed");
invalid("rs256-tampered-payload", rs256().replace(`.${goodP}.`, `.${segment(admin)}.`), "not what was signed");
invalid("rs256-short", withSignature(rs256(), (signature) => signature.subarray(1)), "255 bytes");
invalid("rs256-long", withSignature(rs256(), (signature) => Buffer.concat([Buffer.alloc(1), signature])), "257 bytes");
invalid("rs256-empty", withSignature(rs256(), () => Buffer.alloc(0)), "no signature");
invalid("rs256-sha1", signedBy((input) => sign("sha1", Buffer.from(input), rsa.privateKey), "RS256", rsa.kid), "RS256 is SHA-256");
invalid("rs256-pss-padding", signedBy((input) => pssSign(input, rsa), "RS256", rsa.kid), "RS256 is PKCS #1 v1.5");
invalid("ps256", signedBy((input) => pssSign(input, rsa), "PS256", rsa.kid), "a good signature of an algorithm that the key is not for");
invalid("rs512", signedBy((input) => sign("sha512", Buffer.from(input), rsa.privateKey), "RS512", rsa.kid), "a good signature of an algorithm that the key is not for");
invalid("es384", signedBy((input) => ecSign(input, longer), "ES384", longer.kid), "a good signature of an algorithm that is none of ours");
invalid("es256-of-p-384-key", signedBy((input) => ecSign(input, longer), "ES256", longer.kid), "ES256 is P-256");
invalid("alg-eddsa-of-es256-key", es256(goodClaims, "EdDSA"), "the key that kid names says which algorithm, not the header");
invalid("alg-es256-of-rs256-key", rs256(goodClaims, "ES256"), "the key that kid names says which algorithm, not the header");
invalid("alg-rs256-of-es256-key", es256(goodClaims, "RS256"), "the key that kid names says which algorithm, not the header");
invalid("es256-signature-of-rs256-key", es256(goodClaims, "ES256", rsa.kid), "signed by one key, names another");
invalid("es256-signature-of-eddsa-key", es256(goodClaims, "ES256", current.kid), "signed by one key, names another");
invalid("rs256-signature-of-es256-key", rs256(goodClaims, "RS256", elliptic.kid), "signed by one key, names another");
invalid("eddsa-signature-of-es256-key", withHeader({ kid: elliptic.kid }), "signed by one key, names another");
for (const key of [rsa, elliptic]) {
  const { alg } = key.jwk;
  invalid(`alg-hs256-with-${alg}-pem`, hs256(pem(key), key.kid), "key confusion: the public key is no secret");
  invalid(`alg-hs256-with-${alg}-der`, hs256(der(key), key.kid), "key confusion: the public key is no secret");
  invalid(`alg-hs256-with-${alg}-jwk`, hs256(JSON.stringify(key.jwk), key.kid), "key confusion: the public key is no secret");
  const unsigned = `${segment({ ...goodHeader, alg: "none", kid: key.kid })}.${goodP}.`;
  invalid(`alg-none-of-${alg}-key`, unsigned, "unsigned");
}
invalid("alg-hs256-with-modulus", hs256(Buffer.from(rsa.jwk.n, "base64url"), rsa.kid), "key confusion: the public key is no secret");

// A secret is known to the server alone: everybody else refuses these for want of the key.
const withSecret = (verdict, name, value, why) => add(name, value, verdict, why, secretCases);
const good256 = hs256(secret.bytes, secret.kid);
withSecret({ accept: true }, "hs256", good256, "RFC 7518, section 3.2");
for (const [name, value, why] of [
  ["hs256-other-secret", hs256(bytes32("another secret"), secret.kid), "signed by somebody else"],
  ["hs256-truncated", withSignature(good256, (signature) => signature.subarray(0, 16)), "half of the mac"],
  ["hs256-empty", withSignature(good256, () => Buffer.alloc(0)), "no mac"],
  ["hs256-with-text-of-secret", hs256(secret.jwk.k, secret.kid), "the secret is the bytes, not their spelling"],
  ["hs512", signedBy((input) => createHmac("sha512", secret.bytes).update(input).digest(), "HS512", secret.kid), "an algorithm that the key is not for"],
  ["alg-eddsa-of-hs256-key", withHeader({ kid: secret.kid }), "the key that kid names says which algorithm, not the header"],
]) {
  withSecret({ accept: false, reason: "TOKEN_INVALID" }, name, value, why);
}

/** What the server and the core alone are held to: a JOSE library may be less strict, or cannot read some of what they do. */
const ownCases = [];
const own = (name, value, why, verdict = { accept: false, reason: "TOKEN_INVALID" }) => add(name, value, verdict, why, ownCases);
const nested = (depth) => claimsPlus(`"x-note":${"[".repeat(depth)}${"]".repeat(depth)}`);
own("number-beyond-double", token(goodHeader, claimsPlus('"x-note":1e400')), "a claim that nothing reads may be any number", { accept: true });
own("nested-32-deep", token(goodHeader, nested(32)), "as deep as is read", { accept: true });
own("exp-largest", withClaims({ exp: Number.MAX_SAFE_INTEGER }), "the largest integer that JavaScript holds", { accept: true });
own("nested-33-deep", token(goodHeader, nested(33)), "deeper than is read");
own("duplicate-below", token(goodHeader, claimsPlus('"x-note":[{"a":1,"a":2}]')), "names are unique at every depth");
own("duplicate-below-header", token(headerPlus('"x-note":{"a":1,"\\u0061":2}')), "names are unique at every depth");
own("lone-surrogate-below", token(goodHeader, claimsPlus('"x-note":["\\udfff"]')), "no such character");
own("exp-beyond-javascript", token(goodHeader, rawExp("9007199254740992")), "JavaScript does not hold the next integer");
own("nbf-null", withClaims({ nbf: null }), "null is not a time");
own("nbf-negative", withClaims({ nbf: -1 }), "times are not negative here");
own("ver-negative", withClaims({ ver: -1 }), "versions count up from 0");
own("role-object", withClaims({ role: { USER: null } }), "a role is text");
for (const claim of ["sub", "sid"]) {
  own(`${claim}-other-text`, withClaims({ [claim]: "somebody" }), "ids are UUIDs");
  own(`${claim}-upper-case`, withClaims({ [claim]: goodClaims[claim].toUpperCase() }), "ids have one spelling");
  own(`${claim}-without-hyphens`, withClaims({ [claim]: goodClaims[claim].replaceAll("-", "") }), "ids have one spelling");
}

/** The sections of RFC 8725 that a token alone can break, and the vectors that break them. */
const rfc8725 = {
  "3.1": ["alg-none", "alg-none-with-signature", "alg-none-spelled-otherwise", "alg-missing", "alg-lower-case", "alg-hs256-with-public-key", "alg-hs256-with-RS256-pem", "alg-hs256-with-ES256-jwk", "alg-none-of-RS256-key", "alg-eddsa-of-es256-key", "alg-es256-of-rs256-key", "alg-rs256-of-es256-key", "alg-es256-of-eddsa-key"],
  "3.2": ["ps256", "rs512", "es384", "es256-of-p-384-key", "rs256-sha1", "rs256-pss-padding"],
  "3.3": ["attacker-key", "tampered-payload", "tampered-header", "tampered-signature", "signature-empty", "signature-short", "signature-long", "truncated", "expired-and-tampered", "es256-tampered-payload", "rs256-tampered-payload", "es256-der", "rs256-short", "rs256-long", "nested"],
  "3.4": ["signature-zero", "signature-malleable", "es256-zero", "es256-s-zero", "es256-r-order"],
  "3.6": ["five-segments", "compressed"],
  "3.7": ["payload-not-utf-8", "payload-byte-order-mark", "payload-lone-surrogate"],
  "3.8": ["wrong-issuer", "issuer-with-slash", "issuer-list", "missing-iss", "missing-sub", "sub-number", "es256-wrong-issuer"],
  "3.9": ["wrong-audience", "audience-list-without-us", "audience-empty-list", "audience-number", "missing-aud", "rs256-wrong-audience"],
  "3.10": ["kid-unknown", "kid-path", "kid-query", "kid-address", "kid-zero-byte", "embedded-jwk", "embedded-jwk-own-kid", "header-jku", "header-x5u", "header-x5c"],
  "3.11": ["typ-wrong", "typ-missing", "typ-number"],
  "3.12": ["typ-wrong", "crit-unknown", "kid-of-another-key"],
};
for (const name of Object.values(rfc8725).flat()) if (!names.has(name)) throw new Error(`no vector ${name}`);

const vectors = {
  keys: { keys: [current.jwk, previous.jwk, elliptic.jwk, rsa.jwk, longer.jwk] },
  rules: { issuer: ISSUER, audience: AUDIENCE, now: NOW, leewaySeconds: LEEWAY_SECONDS },
  cases,
  own: { cases: ownCases },
  secret: { keys: { keys: [secret.jwk] }, cases: secretCases },
  rfc8725,
};
const file = new URL("access-tokens.json", import.meta.url);
writeFileSync(file, `${JSON.stringify(vectors, null, 2)}\n`);
console.log(`${cases.length} vectors: ${cases.filter((one) => one.accept).length} to accept`);

// The same forged tokens and key sets for the server, for the WASM core and for jose. The server and the core agree on every
// token; what they accept jose accepts, too. docs/fuzzing.md.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { type JsonWebKeySet, loadTokens, type Rules } from "@countersign/client/token";
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from "jose";
import { expect, test } from "vitest";

/** A line of `hostile`; a set of keys has no verdict of the server, which reads none. */
interface Case {
  changes: string[];
  token: string;
  verdict?: Verdict;
  jwks?: string;
}

type Verdict = "ACCEPTED" | "TOKEN_EXPIRED" | "TOKEN_INVALID";

const TOKENS = 4_000;
const CONTRACT_ROLES: unknown[] = ["USER", "MANAGER", "ADMIN"];

const tokens = await loadTokens();

/** For so long with fresh seeds; without it one round whose changes are the same each time. A busy machine takes minutes for one. */
const seconds = Number(process.env.COUNTERSIGN_FUZZ_SECONDS ?? 0);
const limit = 600_000 + seconds * 1_000;

test(
  "forged tokens: the server and the core agree, and jose accepts what they accept",
  async () => {
    const end = Date.now() + seconds * 1_000;
    let seed = seconds > 0 ? end : 1;
    do {
      await round(seed);
      seed += 1;
    } while (Date.now() < end);
  },
  limit,
);

async function round(seed: number): Promise<void> {
  const { jwks, rules, cases } = await forge(seed);
  const trusted = JSON.parse(jwks);
  const counts = { accepted: 0, refused: 0, stricter: 0 };
  for (const one of cases) {
    const keys = one.jwks === undefined ? trusted : JSON.parse(one.jwks);
    const say = (what: string) => JSON.stringify({ what, seed, keys, ...one });
    const core = await coreVerdict(one.token, keys, rules);
    // Of keys that have accepted nothing yet the core verifies the signature, of others WebCrypto.
    const alone = await coreVerdict(one.token, structuredClone(keys), rules);
    expect(alone, say("core and WebCrypto differ")).toBe(core);
    if (one.verdict !== undefined && !isRoleOfTomorrow(one.token, one.verdict)) {
      expect(core, say("server and core differ")).toBe(one.verdict);
    }
    const refusal = await joseRefusal(one.token, keys, rules);
    if (core === "ACCEPTED") expect(refusal, say("jose refuses what we accept")).toBeUndefined();
    counts[core === "ACCEPTED" ? "accepted" : "refused"] += 1;
    if (core !== "ACCEPTED" && refusal === undefined) counts.stricter += 1;
  }
  // A forger that makes only good or only hopeless tokens would show nothing.
  expect(counts.accepted).toBeGreaterThan(TOKENS / 20);
  expect(counts.refused).toBeGreaterThan(TOKENS / 4);
  if (seconds > 0) process.stdout.write(`seed ${seed}: ${JSON.stringify(counts)}\n`);
}

async function forge(seed: number): Promise<{ jwks: string; rules: Rules; cases: Case[] }> {
  const forger = process.env.COUNTERSIGN_FORGER;
  if (!forger) throw new Error("COUNTERSIGN_FORGER must be set: run `cargo xtask test client`");
  const run = promisify(execFile);
  const { stdout } = await run(forger, [String(seed), String(TOKENS)], { maxBuffer: 1 << 30 });
  const [first, ...cases] = stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  return { ...first, cases };
}

async function coreVerdict(token: string, keys: JsonWebKeySet, rules: Rules): Promise<Verdict> {
  try {
    await tokens.verify(token, keys, { ...rules, now: Number(rules.now) * 1000 });
    return "ACCEPTED";
  } catch (error) {
    return (error as { reason: Verdict }).reason;
  }
}

/** The server refuses roles that it does not have; clients take unknown values of every enum. It is the only difference. */
function isRoleOfTomorrow(token: string, verdict: Verdict): boolean {
  if (verdict !== "TOKEN_INVALID") return false;
  try {
    return !CONTRACT_ROLES.includes(tokens.decode(token).claims.role);
  } catch {
    return false;
  }
}

/** Why jose refuses the token; undefined when it does not. */
async function joseRefusal(token: string, set: unknown, rules: Rules): Promise<unknown> {
  try {
    await jwtVerify(token, createLocalJWKSet(comparable(set)), {
      algorithms: ["EdDSA", "Ed25519", "ES256", "RS256"],
      issuer: rules.issuer,
      audience: rules.audience,
      typ: "at+jwt",
      clockTolerance: rules.leewaySeconds ?? 0,
      currentDate: new Date(Number(rules.now) * 1000),
      requiredClaims: ["sub", "client_id", "sid", "ver", "role", "iat", "exp", "jti", "auth_time"],
    });
    return undefined;
  } catch (error) {
    return error;
  }
}

/**
 * Two things that jose refuses and we do not, neither for the sake of security: a set in which something is no object at all,
 * and the second name of an algorithm, `Ed25519` for `EdDSA` (RFC 9864), where key and token differ in it.
 */
function comparable(set: unknown): JSONWebKeySet {
  const { keys } = set as { keys?: unknown };
  if (!Array.isArray(keys)) return set as JSONWebKeySet;
  const objects = keys.filter(
    (key) => typeof key === "object" && key !== null && !Array.isArray(key),
  );
  const renamed = objects.map(({ alg, ...key }) =>
    alg === "EdDSA" || alg === "Ed25519" || alg === undefined ? key : { ...key, alg },
  );
  return { keys: renamed };
}

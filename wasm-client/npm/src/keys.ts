import { CountersignError } from "./error.js";
import { fetchJson } from "./fetch-json.js";
import { type Key, type Verify, verifierOf } from "./signature.js";
import type { Core } from "./wasm/core.js";

/** A public key as a JWKS publishes it (RFC 7517). */
export interface PublicJwk {
  kty: string;
  kid?: string;
  alg?: string;
  use?: string;
  crv?: string;
  x?: string;
  y?: string;
  n?: string;
  e?: string;
}

/** What `/.well-known/jwks.json` answers. */
export interface JsonWebKeySet {
  keys: PublicJwk[];
}

/** Where keys come from: a set, or a function that finds the keys of a `kid`. */
export type KeySource = JsonWebKeySet | ((kid: string) => Promise<JsonWebKeySet>);

/** What has been found in a set, while that says the same. */
interface Found {
  text: string;
  verifiers: Map<string, Verify>;
}

const found = new WeakMap<JsonWebKeySet, Found>();

/** What verifies the tokens of the key `kid`, or undefined when there is none that can. */
export async function findVerifier(
  core: Core,
  source: KeySource,
  kid: string,
): Promise<Verify | undefined> {
  const set = typeof source === "function" ? await source(kid) : source;
  const { text, verifiers } = read(set);
  const known = verifiers.get(kid);
  if (known !== undefined) return known;
  const key = core((wasm) => wasm.findKey(text, kid));
  if (key === "") return undefined;
  const verify = verifierOf(core, JSON.parse(key) as Key);
  verifiers.set(kid, verify);
  return verify;
}

/** A set as text, and what was found in the same text before: its owner may have changed it. */
function read(set: JsonWebKeySet): Found {
  const text = JSON.stringify(set) ?? "";
  const before = found.get(set);
  if (before?.text === text) return before;
  const now = { text, verifiers: new Map() };
  if (typeof set === "object" && set !== null) found.set(set, now);
  return now;
}

const FETCH_LIMIT_MS = 5_000;
const COOL_DOWN_MS = 30_000;
const MAX_AGE_MS = 600_000;

/**
 * The keys of a server, fetched when a token first needs them and kept for ten minutes. A `kid` that is not among them
 * fetches again; when that was in vain not for 30 seconds, so that forged ones cause no storm, nor does a server that
 * fails.
 */
export function remoteKeySet(
  url: string | URL,
  options: { fetch?: typeof globalThis.fetch } = {},
): KeySource {
  let cached: JsonWebKeySet = { keys: [] };
  let fetchedAt = Number.NEGATIVE_INFINITY;
  let triedAt = Number.NEGATIVE_INFINITY;
  let trying: Promise<JsonWebKeySet> = Promise.resolve(cached);

  const has = (kid: string) => cached.keys.some((key) => key.kid === kid);

  async function renew(kid: string): Promise<JsonWebKeySet> {
    // A browser's cache would give the same keys for minutes. Where there is none, some platforms refuse the word.
    const init: RequestInit = typeof document === "undefined" ? {} : { cache: "no-cache" };
    const { status, body } = await fetchJson(options.fetch ?? fetch, url, init, FETCH_LIMIT_MS);
    const keys = status === 200 ? keysOf(body) : undefined;
    if (keys === undefined) throw new CountersignError("NETWORK", "the server sent no keys");
    fetchedAt = performance.now();
    cached = { keys };
    if (has(kid)) triedAt = Number.NEGATIVE_INFINITY;
    return cached;
  }

  return async (kid) => {
    const now = performance.now();
    if (has(kid) && now - fetchedAt < MAX_AGE_MS) return cached;
    if (now - triedAt >= COOL_DOWN_MS) {
      triedAt = now;
      trying = renew(kid);
    }
    return trying;
  };
}

/** The keys of a set; undefined when it is none. */
function keysOf(set: unknown): PublicJwk[] | undefined {
  const keys = (set as Partial<JsonWebKeySet> | null | undefined)?.keys;
  if (!Array.isArray(keys)) return undefined;
  return keys.filter((key) => typeof key === "object" && key !== null);
}

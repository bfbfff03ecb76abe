import type { CountersignError } from "@countersign/client";
import {
  type Claims,
  type JsonWebKeySet,
  loadTokens,
  remoteKeySet,
} from "@countersign/client/token";
import { useEffect, useState } from "react";

/** The server's public keys, fetched once and kept for some minutes. */
const keys = remoteKeySet(new URL("/.well-known/jwks.json", location.href));

/**
 * What a token must say to be accepted here, pinned before any token is read: rules that came out of the token would
 * accept anybody's. A server in development calls itself `localhost` however it was reached.
 */
export const RULES = {
  issuer: import.meta.env.VITE_ISSUER ?? ownOrigin(),
  audience: import.meta.env.VITE_AUDIENCE ?? import.meta.env.VITE_ISSUER ?? ownOrigin(),
};

function ownOrigin(): string {
  const url = new URL(location.origin);
  if (url.hostname === "127.0.0.1" || url.hostname === "[::1]") url.hostname = "localhost";
  return url.origin;
}

/** How a check of one token in this page came out. */
export type Check =
  | { result: "checking" }
  | { result: "good"; claims: Claims }
  /** Good as far as can be seen here: the server publishes no keys, as it does where it signs with HS256. */
  | { result: "unsigned"; claims: Claims }
  | { result: "refused"; error: CountersignError };

/** Checks `token` against the server's keys and the pinned rules. */
async function check(token: string): Promise<Check> {
  try {
    const tokens = await loadTokens();
    // The server says whether there are keys. The token's header does not: a forger would write HS256 into it.
    const published = await publishedKeys(tokens.decode(token).header.kid);
    if (published.keys.length === 0)
      return { result: "unsigned", claims: tokens.checkClaims(token, RULES) };
    return { result: "good", claims: await tokens.verify(token, published, RULES) };
  } catch (error) {
    return { result: "refused", error: error as CountersignError };
  }
}

async function publishedKeys(kid = ""): Promise<JsonWebKeySet> {
  return typeof keys === "function" ? keys(kid) : keys;
}

/** The leeway of 30 seconds that the check grants an expiry, and one more so that it is over for certain. */
const EXPIRY_GRACE_MS = 31_000;

/**
 * The check of `token`; the last outcome stands until the next one is there, a few milliseconds later. A good token is
 * checked again when its time is over.
 */
export function useCheck(token: string): Check {
  const [outcome, setOutcome] = useState<Check>({ result: "checking" });
  useEffect(() => {
    let current = true;
    let expiry: ReturnType<typeof setTimeout> | undefined;
    async function look() {
      const next = await check(token);
      if (!current) return;
      setOutcome(next);
      if (!("claims" in next)) return;
      expiry = setTimeout(look, next.claims.exp * 1000 + EXPIRY_GRACE_MS - Date.now());
    }
    void look();
    return () => {
      current = false;
      clearTimeout(expiry);
    };
  }, [token]);
  return outcome;
}

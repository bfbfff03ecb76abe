import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { Refusal } from "../src/refusal.js";
import { createVerifier } from "../src/tokens.js";
import { Issuer } from "./support/issuer.js";

// A service is set to one algorithm, and refuses good tokens of another.
for (const algorithm of ["EdDSA", "ES256", "RS256"]) {
  test(`every vector is judged as the file says by a service of ${algorithm}`, () =>
    judgeAll(algorithm));
}

/** @param {string} algorithm */
async function judgeAll(algorithm) {
  const file = new URL("../../../vectors/access-tokens.json", import.meta.url);
  const { keys, rules, cases } = JSON.parse(await readFile(file, "utf8"));
  const { origin } = await Issuer.withJwks(keys.keys);
  const verify = createVerifier({
    issuer: rules.issuer,
    audience: rules.audience,
    algorithm,
    jwks: new URL(origin),
  });
  const now = new Date(rules.now * 1000);
  assert.ok(cases.length > 100);
  for (const { name, algorithm: ours, token, accept } of cases) {
    const verdict = await verify(token, now).then(
      () => 200,
      (error) => (error instanceof Refusal ? error.status : error),
    );
    assert.equal(verdict, accept && ours === algorithm ? 200 : 401, name);
  }
}

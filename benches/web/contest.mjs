// The race itself: the same code in Node and in Chromium.
import { loadTokens } from "@countersign/client/token";
import { createLocalJWKSet, decodeJwt, importJWK, jwtVerify } from "jose";
import { jwtDecode } from "jwt-decode";

const ROUNDS = 301;
// Short, so that most rounds are not interrupted by what else the machine does.
const ROUND_MS = 2;

/**
 * Times every way to do every task, and returns for each `{ task, name, median, low, high }`: microseconds for one token, the
 * median of the rounds and the bounds of their middle half. The ways of one task take turns, so that what else the machine
 * does hits all of them.
 */
export async function race(material) {
  const results = [];
  for (const [task, ways] of await tasks(material)) {
    const times = new Map(ways.map(([name]) => [name, []]));
    for (const [, once] of ways) await time(once, material.tokens[task]); // the compilers' round
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const [name, once] of ways)
        times.get(name).push(await time(once, material.tokens[task]));
    }
    for (const [name, all] of times) results.push({ task, name, ...summary(all) });
  }
  return results;
}

/** Runs `once` on one token after the other for a while; microseconds for one. */
async function time(once, tokens) {
  const begin = performance.now();
  const end = begin + ROUND_MS;
  let count = 0;
  let now = begin;
  while (now < end) {
    for (const token of tokens) {
      const answer = once(token);
      if (answer instanceof Promise) await answer;
    }
    count += tokens.length;
    now = performance.now();
  }
  return ((now - begin) * 1000) / count;
}

function summary(times) {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share) => sorted[Math.round((sorted.length - 1) * share)];
  return { median: at(0.5), low: at(0.25), high: at(0.75) };
}

async function tasks({ jwks, rules }) {
  const ours = await loadTokens();
  const local = createLocalJWKSet(jwks);
  const options = {
    issuer: rules.issuer,
    audience: rules.audience,
    typ: "at+jwt",
    clockTolerance: 30,
  };
  const isLive = ({ exp }) => exp * 1000 > Date.now();
  const verify = async (kid) => {
    const jwk = jwks.keys.find((key) => key.kid === kid);
    const key = await importJWK(jwk);
    return [
      kid,
      [
        ["@countersign/client verify", (token) => ours.verify(token, jwks, rules)],
        ["jose jwtVerify, imported key", (token) => jwtVerify(token, key, options)],
        ["jose jwtVerify, local JWKS", (token) => jwtVerify(token, local, options)],
      ],
    ];
  };
  const decoders = [
    ["@countersign/client decode", (token) => ours.decode(token).claims],
    ["jose decodeJwt", decodeJwt],
    ["jwt-decode jwtDecode", jwtDecode],
  ];
  const checked = decoders.map(([name, decode]) => [name, (token) => isLive(decode(token))]);
  return [
    ["decode", decoders],
    ["decode + expiry", checked],
    ...(await Promise.all(["EdDSA", "ES256", "RS256"].map(verify))),
  ];
}

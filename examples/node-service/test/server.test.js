import assert from "node:assert/strict";
import { after, before, mock, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { decodeProtectedHeader } from "jose";
import { COOL_DOWN_MS, MAX_AGE_MS } from "../src/keys.js";
import { Countersign } from "./support/countersign.js";
import { start } from "./support/http.js";

/** @type {Countersign} */
let server;
before(async () => {
  server = await Countersign.start();
});
after(() => server?.stop());

const settings = () => ({
  issuer: server.origin,
  audience: server.origin,
  server: server.origin,
  algorithm: "EdDSA",
});

test("the server's tokens pass by role, and only where they are meant to", async () => {
  const service = await start(settings());
  const [user, manager] = [await server.tokenOf("USER"), await server.tokenOf("MANAGER")];
  assert.equal(await service.status(user), 200);
  assert.equal((await service.call("GET /reports", `Bearer ${user}`)).status, 403);
  assert.equal((await service.call("GET /reports", `Bearer ${manager}`)).status, 200);

  const elsewhere = "https://elsewhere.example.com";
  for (const wrong of [{ issuer: elsewhere }, { audience: elsewhere }, { algorithm: "ES256" }]) {
    const stranger = await start({ ...settings(), ...wrong });
    assert.equal(await stranger.status(user), 401, JSON.stringify(wrong));
  }
});

test("keys are kept as long as the server says", async () => {
  const jwks = await fetch(`${server.origin}/.well-known/jwks.json`);
  assert.match(jwks.headers.get("cache-control") ?? "", RegExp(`max-age=${MAX_AGE_MS / 1000}\\b`));
});

test("the service goes on when the server's key rotates", async () => {
  const service = await start(settings());
  const old = await server.signIn("USER");
  assert.equal(await service.status(old), 200);
  await server.finish(["keys", "rotate", "--now"]);
  let next = old;
  while (decodeProtectedHeader(next).kid === decodeProtectedHeader(old).kid) {
    await sleep(200);
    next = await server.signIn("USER");
  }
  mock.timers.enable({ apis: ["Date"], now: Date.now() + COOL_DOWN_MS });
  assert.equal(await service.status(next), 200);
  assert.equal(await service.status(old), 200);
  mock.timers.reset();
});

test("a session that ended passes by signature until the server is asked", async () => {
  mock.method(console, "error", () => undefined);
  const service = await start(settings());
  const token = await server.tokenOf("ADMIN");
  const authorization = `Bearer ${token}`;
  assert.equal((await service.call("POST /reports", authorization)).status, 200);
  const logout = await server.graphql("mutation { logout }", token);
  assert.equal(logout.data.logout, true);
  assert.equal((await service.call("GET /reports", authorization)).status, 200);
  const refused = await service.call("POST /reports", authorization);
  assert.equal(refused.status, 401);
  assert.match(refused.challenge ?? "", /ended or stale/);

  await server.crash();
  assert.equal((await service.call("GET /reports", authorization)).status, 200);
  assert.equal((await service.call("POST /reports", authorization)).status, 503);
});

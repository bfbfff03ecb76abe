import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { COOL_DOWN_MS, MAX_AGE_MS, RETRY_MS } from "../src/keys.js";
import { start } from "./support/http.js";
import { ed25519, Issuer } from "./support/issuer.js";

// Only the date stands still: requests still time out by themselves.
beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["Date"], now: Date.now() });
});

const [old, next] = [ed25519("old"), ed25519("next")];

test("keys are fetched once, and again when they are old", async () => {
  const issuer = await Issuer.start(old);
  const service = await start(issuer.trust("EdDSA"));
  assert.equal(issuer.fetches, 0);
  for (let call = 0; call < 10; call += 1) {
    assert.equal(await service.status(issuer.good(old)), 200);
  }
  assert.equal(issuer.fetches, 1);
  mock.timers.tick(MAX_AGE_MS);
  assert.equal(await service.status(issuer.good(old)), 200);
  assert.equal(issuer.fetches, 2);
});

test("a new key is picked up, and unknown ones cause one fetch in 30 seconds", async () => {
  const issuer = await Issuer.start(old);
  const service = await start(issuer.trust("EdDSA"));
  assert.equal(await service.status(issuer.good(old)), 200);
  issuer.publish(old, next);
  for (let call = 0; call < 10; call += 1) {
    assert.equal(await service.status(issuer.good(next)), 401);
  }
  assert.equal(issuer.fetches, 1);
  mock.timers.tick(COOL_DOWN_MS);
  assert.equal(await service.status(issuer.good(next)), 200);
  assert.equal(await service.status(issuer.good(old)), 200);
  assert.equal(issuer.fetches, 2);
});

test("a retired key is good no longer than the keys are kept", async () => {
  const issuer = await Issuer.start(old, next);
  const service = await start(issuer.trust("EdDSA"));
  assert.equal(await service.status(issuer.good(old)), 200);
  issuer.publish(next);
  mock.timers.tick(MAX_AGE_MS);
  assert.equal(await service.status(issuer.good(old)), 401);
  assert.equal(await service.status(issuer.good(next)), 200);
});

test("the service starts without the issuer and outlives its absence", async () => {
  mock.method(console, "error", () => undefined);
  const issuer = await Issuer.start(old);
  issuer.isDown = true;
  const service = await start(issuer.trust("EdDSA"));
  for (let call = 0; call < 10; call += 1) {
    assert.equal(await service.status(issuer.good(old)), 503);
  }
  assert.equal(issuer.fetches, 1, "a fetch that failed rests too");
  issuer.isDown = false;
  mock.timers.tick(RETRY_MS);
  assert.equal(await service.status(issuer.good(old)), 200);

  issuer.isDown = true;
  mock.timers.tick(MAX_AGE_MS);
  assert.equal(await service.status(issuer.good(old)), 200, "the last keys are kept");
  assert.equal(await service.status(issuer.good(next)), 503, "it cannot be told now");
});

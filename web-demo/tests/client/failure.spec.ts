import { generateKeyPairSync } from "node:crypto";
import { expect, expectAll, type Tab, test } from "../support/client.ts";
import { answer, cut, type Fault, hang, lose } from "../support/wire.ts";

const MINUTE = 60_000;
const JWKS = "/.well-known/jwks.json";
const ENGINE = "/assets/engine.js";
const HTML = { "content-type": "text/html" };
const LOGIN_PAGE = "<!doctype html><title>Sign in to the network</title>";

// Without a grace, nothing but the attempt key lets a renewal be repeated.
test.use({ settings: { COUNTERSIGN_SESSIONS__REUSE_GRACE: "0s" } });

test.beforeEach(({ tolerate }) => tolerate(/Failed to load resource|WebSocket connection/));

/** The tab of somebody whose session goes on whatever happens here. */
async function signedIn(open: () => Promise<Tab>, ana: Parameters<Tab["signIn"]>[0]) {
  const tab = await open();
  await tab.signIn(ana);
  await expectAll([tab], "live");
  const { sessionId } = await tab.state();
  return { tab, sessionId };
}

const failures: {
  name: string;
  fault: Fault;
  code: string;
  /** How long the client has to leave the server alone, in milliseconds. */
  notBefore?: number;
}[] = [
  { name: "status 500", fault: answer(500), code: "UNAVAILABLE" },
  { name: "a proxy's page for 502", fault: answer(502, "<h1>Oh</h1>", HTML), code: "UNAVAILABLE" },
  { name: "a proxy's page for 504", fault: answer(504, "<h1>Oh</h1>", HTML), code: "UNAVAILABLE" },
  {
    name: "503 with Retry-After",
    fault: answer(503, "<h1>Oh</h1>", { ...HTML, "retry-after": "3" }),
    code: "UNAVAILABLE",
    notBefore: 3_000,
  },
  {
    name: "429 with Retry-After",
    fault: answer(429, "", { "retry-after": "3" }),
    code: "RATE_LIMITED",
    notBefore: 3_000,
  },
  { name: "no answer in ten seconds", fault: hang, code: "NETWORK" },
  { name: "half an answer", fault: cut, code: "NETWORK" },
  { name: "a lost answer", fault: lose, code: "NETWORK" },
  { name: "a proxy's login page with 200", fault: answer(200, LOGIN_PAGE, HTML), code: "NETWORK" },
  {
    name: "a way to a login page",
    fault: answer(302, "", { location: "/login" }),
    code: "NETWORK",
  },
];

for (const { name, fault, code, notBefore = 0 } of failures) {
  test(`${name}: the session backs off and goes on, and past its expiry it is stale and goes on`, async ({
    open,
    ana,
    wire,
  }) => {
    const { tab, sessionId } = await signedIn(open, ana);
    // It may be over by the time that the test looks.
    const stateOf = (status: string) =>
      expect.objectContaining({ status, reason: code, sessionId });
    wire.break("/login", answer(200, LOGIN_PAGE, HTML));
    wire.breakOnce("Refresh", fault);
    expect(await tab.renew()).toMatchObject({ code, retriable: true });
    expect(await tab.log()).toContainEqual(stateOf("backoff"));
    // The token that there is still serves.
    expect(await tab.me()).toEqual({ value: ana.email });
    await expectAll([tab], "live");
    expect(await tab.state()).toMatchObject({ sessionId, renewals: 1, reason: null });

    wire.breakOnce("Refresh", fault);
    await tab.passTime(20 * MINUTE);
    expect(await tab.token()).toMatchObject({ code, retriable: true });
    expect(await tab.log()).toContainEqual(stateOf("stale"));
    await expect(tab.page.locator("#name")).toHaveText(ana.name);
    await expectAll([tab], "live");
    expect(await tab.state()).toMatchObject({ sessionId, renewals: 2, reason: null });
    expect(await tab.me()).toEqual({ value: ana.email });

    const calls = wire.callsOf("Refresh");
    expect(calls.length).toBe(4);
    for (const at of [0, 2]) {
      const [broken, repeated] = calls.slice(at);
      expect(repeated?.variables.attempt).toBe(broken?.variables.attempt);
      expect((repeated?.at ?? 0) - (broken?.at ?? 0)).toBeGreaterThanOrEqual(notBefore);
    }
  });
}

test("an answer that is lost after the rotation, and ten minutes without a network: still signed in", async ({
  open,
  ana,
  wire,
  context,
}) => {
  const { tab, sessionId } = await signedIn(open, ana);
  wire.break("Refresh", lose);
  expect(await tab.renew()).toMatchObject({ code: "NETWORK", retriable: true });
  await context.setOffline(true);
  wire.mend("Refresh");
  await tab.passTime(10 * MINUTE);
  // The server's time is the real one: more than its grace of no time at all.
  await tab.page.waitForTimeout(2_000);
  await context.setOffline(false);
  await expectAll([tab], "live");
  expect(await tab.me()).toEqual({ value: ana.email });
  expect(await tab.state()).toMatchObject({ sessionId, renewals: 1 });
  const attempts = wire.callsOf("Refresh").map(({ variables }) => variables.attempt);
  expect(new Set(attempts).size).toBe(1);
});

test("a new password, its answer is lost and the page is reloaded: still signed in", async ({
  open,
  server,
  wire,
}) => {
  const eve = await server.createPerson("USER", "Eve Turing");
  const { tab, sessionId } = await signedIn(open, eve);
  wire.breakOnce("ChangePassword", lose);
  const outcome = await tab.page.evaluate(
    ({ password }) =>
      window.harness.client
        .changePassword({ currentPassword: password, newPassword: "eleven quiet harbours drift" })
        .catch(({ code }) => code),
    eve,
  );
  expect(outcome).toBe("NETWORK");
  await tab.page.reload();
  await expectAll([tab], "live");
  expect(await tab.me()).toEqual({ value: eve.email });
  expect(await tab.state()).toMatchObject({ sessionId });
  const attempts = ["ChangePassword", "Refresh"].flatMap((name) => wire.callsOf(name));
  expect(new Set(attempts.map(({ variables }) => variables.attempt)).size).toBe(1);
});

/** Answers with the server's keys, made false. */
const forged: Fault = async ({ forward, response }) => {
  const { body } = await forward();
  const { publicKey } = generateKeyPairSync("ed25519");
  const { x } = publicKey.export({ format: "jwk" });
  const { keys } = JSON.parse(body.toString()) as { keys: object[] };
  const lie = JSON.stringify({ keys: keys.map((key) => ({ ...key, x })) });
  response.writeHead(200, { "content-type": "application/json" }).end(lie);
};

for (const { name, fault, code } of [
  { name: "are down", fault: answer(503), code: "NETWORK" },
  { name: "do not come", fault: hang, code: "NETWORK" },
  { name: "are a login page", fault: answer(200, LOGIN_PAGE, HTML), code: "NETWORK" },
  { name: "are not JSON", fault: answer(200, '{"keys":[{', HTML), code: "NETWORK" },
  { name: "are none", fault: answer(200, '{"keys":[]}'), code: "UNAUTHENTICATED" },
  { name: "are others of the same names", fault: forged, code: "UNAUTHENTICATED" },
]) {
  test(`published keys that ${name} leave the session alone, and verify nothing`, async ({
    open,
    ana,
    wire,
  }) => {
    const { tab, sessionId } = await signedIn(open, ana);
    wire.break(JWKS, fault);
    expect(await tab.verify()).toMatchObject({ code });
    expect(await tab.me()).toEqual({ value: ana.email });
    expect(await tab.state()).toMatchObject({ status: "live", sessionId });
    expect(await tab.verify()).toMatchObject({ code });
    // Asked once, however often it is wanted.
    expect(wire.count(JWKS)).toBe(1);
    expect(wire.count("Refresh")).toBe(0);

    wire.mend(JWKS);
    await tab.passTime(10 * MINUTE);
    expect(await tab.verify()).toHaveProperty("value");
    expect(wire.count(JWKS)).toBe(2);
  });
}

test("keys that are rotated while the page is open sign nobody out, and new tokens verify", async ({
  open,
  ana,
  wire,
  server,
}) => {
  const { tab, sessionId } = await signedIn(open, ana);
  const keyOf = async () => {
    const outcome = await tab.renew();
    const token = "value" in outcome ? String(outcome.value) : "";
    return JSON.parse(Buffer.from(token.split(".")[0] ?? "", "base64url").toString()).kid;
  };
  const before = await keyOf();
  expect(await tab.verify()).toHaveProperty("value");
  await server.rotateKeys();
  await expect.poll(keyOf, { timeout: 20_000, intervals: [1_000] }).not.toBe(before);
  expect(await tab.me()).toEqual({ value: ana.email });
  expect(await tab.verify()).toHaveProperty("value");
  expect(await tab.state()).toMatchObject({ status: "live", sessionId });
  expect(wire.count(JWKS)).toBe(2);
});

test("a part of the client that cannot be loaded is loaded when it can be, and signs nobody out", async ({
  open,
  ana,
  wire,
  context,
  tolerate,
}) => {
  tolerate(/Failed to fetch dynamically imported module/);
  const { tab, sessionId } = await signedIn(open, ana);
  // Files with a hash in their name are kept for ever.
  await (await context.newCDPSession(tab.page)).send("Network.clearBrowserCache");
  await tab.page.close();
  wire.break(ENGINE, answer(404));
  const next = await open();
  expect(await next.token()).toMatchObject({ code: "NETWORK", retriable: true });
  expect(await next.state()).toMatchObject({ status: "restoring", user: null });
  expect(wire.count(ENGINE)).toBeGreaterThan(1);

  wire.mend(ENGINE);
  await expectAll([next], "live");
  expect(await next.state()).toMatchObject({ status: "live", sessionId });
  expect(await next.me()).toEqual({ value: ana.email });
  const attempts = wire.callsOf("Refresh").map(({ variables }) => variables.attempt);
  expect(new Set(attempts).size).toBe(1);
});

import {
  type Client,
  type ClientOptions,
  CountersignError,
  createClient,
} from "@countersign/client";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { FakeServer, json, refuse } from "./support/fake-server.js";
import { openPage } from "./support/page.js";
import { sleep, until } from "./support/wait.js";

const ana = { email: "ana@example.com", password: "correct horse battery" };

let server: FakeServer;
const clients: Client[] = [];

function connect(options: Partial<ClientOptions> = {}): Client {
  const client = createClient({ endpoint: server.endpoint, transport: "BODY", ...options });
  clients.push(client);
  return client;
}

/** The error that a promise rejects with. */
async function failure(promise: Promise<unknown>): Promise<CountersignError> {
  const error = await promise.then(
    () => expect.fail("it did not fail"),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(CountersignError);
  return error as CountersignError;
}

/** Moves the clock, and only that: timers keep their own time, as they do when a laptop sleeps. */
function moveClock(ms: number): void {
  const now = Date.now() + ms;
  vi.useFakeTimers({ toFake: ["Date"], now });
}

beforeEach(async () => {
  server = await FakeServer.start();
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.session.dispose();
  vi.useRealTimers();
  await server.stop();
});

// Signing in.

test("signing in gives the user, a token and a live session", async () => {
  const client = connect();
  const sentAt = Date.now();
  const user = await client.login(ana);
  expect(user.name).toBe("Ana");
  expect(server.last("Login").variables).toEqual({ input: ana, transport: "BODY" });
  expect(await client.session.token()).toBe("access-1");
  const { state } = client.session;
  expect(state).toMatchObject({
    status: "live",
    user,
    sessionId: "session-1",
    renewals: 0,
    reason: null,
  });
  expect(state.issuedAt).toBeGreaterThanOrEqual(sentAt);
  expect(state.expiresAt).toBe((state.issuedAt ?? 0) + 60_000);
  expect(server.calls).toHaveLength(1);
});

test("registering signs in", async () => {
  const client = connect();
  const user = await client.register({ ...ana, name: "Ana" });
  expect(user.email).toBe("ana@example.com");
  expect(client.session.state.status).toBe("live");
});

test("a refused sign-in tells why and leaves the session as it was", async () => {
  const client = connect();
  server.once("Login", (_, response) => refuse(response, "UNAUTHENTICATED", "BAD_CREDENTIALS"));
  const error = await failure(client.login(ana));
  expect(error).toMatchObject({
    code: "UNAUTHENTICATED",
    reason: "BAD_CREDENTIALS",
    retriable: false,
  });
  expect(client.session.state.status).toBe("anonymous");
});

test("every part of a server's error arrives", async () => {
  const client = connect();
  const extensions = { field: "email", retryAfter: 7, requestId: "r-1" };
  server.once("Register", (_, response) =>
    refuse(response, "BAD_USER_INPUT", "EMAIL_TAKEN", extensions),
  );
  const error = await failure(client.register({ ...ana, name: "Ana" }));
  expect(error).toMatchObject({ code: "BAD_USER_INPUT", reason: "EMAIL_TAKEN", ...extensions });
  expect(error.message).toBe("refused");
});

test("an endpoint that is no address is told as such", async () => {
  const client = connect({ endpoint: "/graphql" });
  await expect(client.session.token()).rejects.toBeInstanceOf(TypeError);
});

test("a script that signs out has forgotten the token when that is done", async () => {
  let stored: string | null = null;
  const set = async (token: string | null) => {
    await sleep(50);
    stored = token;
  };
  const client = connect({ refreshTokenStore: { get: () => stored, set } });
  await client.login(ana);
  server.on("Logout", (_, response) => response.destroy());
  await client.logout();
  expect(stored).toBeNull();
});

test("nobody is signed in before anybody was", async () => {
  const client = connect();
  expect(client.session.state.status).toBe("restoring");
  expect(await client.session.token()).toBeNull();
  expect(client.session.state.status).toBe("anonymous");
  expect(server.calls).toHaveLength(0);
});

// Renewing.

test("many requests share one refresh", async () => {
  const client = connect();
  await client.login(ana);
  const tokens = await Promise.all(
    Array.from({ length: 20 }, () => client.session.token({ force: true })),
  );
  expect(new Set(tokens)).toEqual(new Set(["access-2"]));
  expect(server.count("Refresh")).toBe(1);
  expect(client.session.state.renewals).toBe(1);
});

test("without start() a token is renewed when a request finds it due, and not before", async () => {
  server.lifetime = 1;
  const client = connect();
  await client.login(ana);
  await sleep(700);
  expect(server.count("Refresh")).toBe(0);
  expect(await client.session.token()).toBe("access-1"); // nobody waits for what is not needed yet
  await until("it has renewed", () => client.session.state.renewals === 1);
  expect(await client.session.token()).toBe("access-2");
});

test("a token that does not last long enough for a request is renewed", async () => {
  const client = connect();
  await client.login(ana);
  expect(await client.session.token({ minTtlMs: 30_000 })).toBe("access-1");
  expect(await client.session.token({ minTtlMs: 60_000 })).toBe("access-2");
});

test("a started session renews itself before its token expires, again and again", async () => {
  server.lifetime = 1;
  const client = connect();
  const statuses = new Set<string>();
  client.session.on((state) => {
    statuses.add(state.status);
    expect(state.refreshAt ?? 0).toBeLessThan(state.expiresAt ?? 1);
  });
  client.session.start();
  await client.login(ana);
  await until("it has renewed five times", () => client.session.state.renewals >= 5);
  expect([...statuses].sort()).toEqual(["anonymous", "live", "refreshing"]);
  expect(await client.session.token()).toBe(`access-${server.generation}`);
});

test("the first token, too, is renewed at the core's time", async () => {
  server.lifetime = 900;
  vi.spyOn(Math, "random").mockReturnValue(0.5);
  const client = connect();
  client.session.start();
  await client.login(ana);
  const { expiresAt } = client.session.state;
  const core = (expiresAt ?? 0) - 60_000 - 7_500;
  await until("the core has taken over", () => client.session.state.refreshAt === core);
  expect(client.session.state).toMatchObject({ status: "live", expiresAt, renewals: 0 });
});

test("dispose() ends the timers, start() begins them again", async () => {
  server.lifetime = 1;
  const client = connect();
  client.session.start();
  await client.login(ana);
  client.session.dispose();
  await sleep(1200);
  expect(server.count("Refresh")).toBe(0);
  client.session.start();
  await until("it has renewed", () => client.session.state.renewals >= 1);
});

test("dispose() during the first look at the store leaves the session alone", async () => {
  const get = () => sleep(50).then(() => "refresh-0");
  const client = connect({ refreshTokenStore: { get, set: () => {} } });
  client.session.start();
  client.session.dispose();
  await sleep(200);
  expect(server.count("Refresh")).toBe(0);
});

test("after sleep the clock decides, not the timer", async () => {
  const client = connect();
  await client.login(ana);
  moveClock(3_600_000);
  expect(await client.session.token()).toBe("access-2");
});

test("a clock that is set back changes nothing, and no sleep after it is missed", async () => {
  const client = connect();
  await client.login(ana);
  moveClock(-3_600_000);
  expect(await client.session.token()).toBe("access-1");
  moveClock(61_000);
  expect(await client.session.token()).toBe("access-2");
  expect(server.count("Refresh")).toBe(1);
});

test("giving up waiting leaves the refresh to others", async () => {
  const client = connect();
  await client.login(ana);
  server.once("Refresh", (call, response) => {
    server.rotate(call.variables.attempt);
    setTimeout(() => json(response, { data: { auth: server.grant() } }), 200);
  });
  const patient = client.session.token({ force: true });
  const reason = new Error("the user left the page");
  await expect(
    client.session.token({ force: true, signal: AbortSignal.abort(reason) }),
  ).rejects.toBe(reason);
  const leaving = new AbortController();
  const impatient = client.session.token({ force: true, signal: leaving.signal });
  await sleep(50);
  leaving.abort(reason);
  await expect(impatient).rejects.toBe(reason);
  expect(await patient).toBe("access-2");
});

test("giving up while the app's store is asked is noticed", async () => {
  const reason = new Error("the user left the page");
  const leaving = new AbortController();
  const get = () => new Promise<null>(() => leaving.abort(reason));
  const client = connect({ refreshTokenStore: { get, set: () => {} } });
  await expect(client.session.token({ signal: leaving.signal })).rejects.toBe(reason);
});

// Failures: none of them signs anybody out.

test("a server that fails is asked again, and the token serves while it lasts", async () => {
  const client = connect();
  await client.login(ana);
  server.on("Refresh", (_, response) => response.writeHead(500).end("oops"));
  moveClock(57_000);
  expect(await client.session.token()).toBe("access-1");
  await until("the renewal has failed", () => client.session.state.status === "backoff");
  expect(client.session.state.reason).toBe("UNAVAILABLE");
  expect(client.session.state.user?.name).toBe("Ana");

  moveClock(10_000);
  const error = await failure(client.session.token());
  expect(error).toMatchObject({ code: "UNAVAILABLE", retriable: true });
  expect(client.session.state).toMatchObject({ status: "stale" });
  expect(client.session.state.user?.name).toBe("Ana");

  server.on("Refresh", null);
  moveClock(60_000);
  expect(await client.session.token()).toBe("access-2");
  expect(client.session.state).toMatchObject({ status: "live", reason: null });
});

test("no call is made before the server wants one", async () => {
  const client = connect();
  await client.login(ana);
  server.once("Refresh", (_, response) => response.writeHead(429, { "retry-after": "7" }).end());
  moveClock(61_000);
  const first = await failure(client.session.token());
  expect(first).toMatchObject({ code: "RATE_LIMITED", retryAfter: 7 });
  const second = await failure(client.session.token());
  expect(second.retryAfter).toBeGreaterThan(5);
  expect(server.count("Refresh")).toBe(1);
  moveClock(7_000);
  expect(await client.session.token()).toBe("access-2");
});

test("a date in Retry-After is understood", async () => {
  const client = connect();
  await client.login(ana);
  moveClock(61_000);
  const date = new Date(Date.now() + 20_000).toUTCString();
  server.once("Refresh", (_, response) => response.writeHead(503, { "retry-after": date }).end());
  const error = await failure(client.session.token());
  expect(error.retryAfter).toBeGreaterThan(15);
  expect(error.retryAfter).toBeLessThanOrEqual(20);
});

test("a lost answer is repeated with the same attempt key and costs nobody the session", async () => {
  const client = connect();
  await client.login(ana);
  server.once("Refresh", (call, response) => {
    server.rotate(call.variables.attempt);
    response.destroy();
  });
  const error = await failure(client.session.token({ force: true }));
  expect(error).toMatchObject({ code: "NETWORK", retriable: true });
  const lost = server.last("Refresh").variables;
  moveClock(10_000);
  expect(await client.session.token({ force: true })).toBe("access-2");
  expect(server.last("Refresh").variables).toEqual(lost);
  expect(String(lost.attempt)).toMatch(/^[\d-]{16,}$/);
  await client.session.token({ force: true });
  expect(server.last("Refresh").variables.attempt).not.toBe(lost.attempt);
});

test.each([
  ["a page of HTML", "text/html", "<html>sign in to the hotel's network</html>"],
  ["no JSON", "application/json", "{"],
  ["JSON that is no GraphQL", "application/json", "[1]"],
  ["null", "application/json", "null"],
  ["a grant without a token", "application/json", '{"data":{"auth":{}}}'],
  ["no grant", "application/json", '{"data":{"auth":null}}'],
])("%s signs nobody out", async (_, type, body) => {
  const client = connect();
  await client.login(ana);
  server.once("Refresh", (_call, response) =>
    response.writeHead(200, { "content-type": type }).end(body),
  );
  const error = await failure(client.session.token({ force: true }));
  expect(error).toMatchObject({ code: "NETWORK", retriable: true });
  expect(client.session.state.status).toBe("backoff");
});

test("a proxy's 401 signs nobody out", async () => {
  const client = connect();
  await client.login(ana);
  server.once("Refresh", (_, response) => response.writeHead(401).end("proxy authentication"));
  await failure(client.session.token({ force: true }));
  expect(client.session.state.status).toBe("backoff");
});

test("a server that is gone signs nobody out, and is found again when the network is", async () => {
  const page = openPage();
  server.lifetime = 1;
  const client = connect();
  client.session.start();
  await client.login(ana);
  const { port } = server;
  await server.stop();
  await until("it is stale", () => client.session.state.status === "stale");
  expect(await failure(client.session.token())).toMatchObject({ code: "NETWORK", retriable: true });
  expect(client.session.state.user?.name).toBe("Ana");
  server = await FakeServer.start(port);
  server.generation = 5;
  page.fire("online");
  await until("it lives again", () => client.session.state.status === "live");
  expect(await client.session.token()).toBe("access-6");
});

test("a call without an answer is given up after ten seconds", { timeout: 15_000 }, async () => {
  const client = connect();
  await client.login(ana);
  server.once("Refresh", () => true);
  const begun = performance.now();
  const error = await failure(client.session.token({ force: true }));
  expect(error.code).toBe("NETWORK");
  expect(performance.now() - begun).toBeGreaterThan(9_900);
  expect(performance.now() - begun).toBeLessThan(11_500);
});

// The end of a session.

test.each([
  "SESSION_ENDED",
  "REFRESH_INVALID",
  "REFRESH_EXPIRED",
  "REFRESH_REUSED",
  "REFRESH_MISSING",
  "A_NEW_REASON",
])("%s ends the session", async (reason) => {
  const client = connect();
  await client.login(ana);
  server.sessionEnded = reason;
  expect(await client.session.token({ force: true })).toBeNull();
  expect(client.session.state).toMatchObject({ status: "signed-out", user: null, reason });
  expect(await client.session.token()).toBeNull();
  expect(server.count("Refresh")).toBe(1);
});

test("an account that was switched off ends the session", async () => {
  const client = connect();
  await client.login(ana);
  server.once("Refresh", (_, response) => refuse(response, "FORBIDDEN", "ACCOUNT_DISABLED"));
  expect(await client.session.token({ force: true })).toBeNull();
  expect(client.session.state.reason).toBe("ACCOUNT_DISABLED");
});

test("a refused origin is a fault of the set-up and does not end the session", async () => {
  const client = connect();
  await client.login(ana);
  server.once("Refresh", (_, response) => refuse(response, "FORBIDDEN", "ORIGIN_REFUSED"));
  const error = await failure(client.session.token({ force: true }));
  expect(error).toMatchObject({ code: "FORBIDDEN", reason: "ORIGIN_REFUSED" });
  expect(client.session.state.status).toBe("backoff");
});

test("signing out ends the session here and at the server", async () => {
  const client = connect();
  await client.login(ana);
  await client.logout();
  expect(server.last("Logout").variables).toEqual({ refreshToken: "refresh-1" });
  expect(client.session.state).toMatchObject({ status: "signed-out", user: null, reason: null });
  expect(await client.session.token()).toBeNull();
  await client.logout();
  expect(server.count("Logout")).toBe(1);
});

test("a sign-in ends the session that it replaces", async () => {
  const client = connect();
  await client.login(ana);
  await client.login(ana);
  await until("the server knows", () => server.count("Logout") === 1);
  expect(server.last("Logout").variables).toEqual({ refreshToken: "refresh-1" });
  expect(await client.session.token({ force: true })).toBe("access-3");
});

test("every sign-out reaches the server in the end", async () => {
  const client = connect();
  server.on("Logout", (_, response) => response.destroy());
  await client.login(ana);
  await client.logout();
  await client.login(ana);
  await client.logout();
  server.on("Logout", null);
  const before = server.count("Logout");
  await client.logout();
  const told = server.calls.filter(({ operation }) => operation === "Logout").slice(before);
  expect(told.map(({ variables }) => variables.refreshToken)).toEqual(["refresh-1", "refresh-2"]);
});

test("the answer to a refresh that was under way at the sign-out is dropped", async () => {
  const client = connect();
  await client.login(ana);
  server.once("Refresh", (call, response) => {
    server.rotate(call.variables.attempt);
    setTimeout(() => json(response, { data: { auth: server.grant() } }), 200);
  });
  const token = client.session.token({ force: true });
  await until("the refresh is under way", () => server.count("Refresh") === 1);
  const signedOut = client.logout();
  await until("it is signed out here", () => client.session.state.status === "signed-out");
  expect(server.count("Logout")).toBe(0);
  expect(await token).toBeNull();
  await signedOut;
  expect(client.session.state).toMatchObject({ status: "signed-out", user: null });
  expect(server.count("Logout")).toBe(1);
});

test("a sign-in waits for the refresh before it", async () => {
  const client = connect();
  await client.login(ana);
  server.once("Refresh", (call, response) => {
    server.rotate(call.variables.attempt);
    setTimeout(() => json(response, { data: { auth: server.grant() } }), 200);
  });
  const renewed = client.session.token({ force: true });
  await until("the refresh is under way", () => server.count("Refresh") === 1);
  await client.login(ana);
  await renewed;
  expect(await client.session.token()).toBe("access-3");
});

// Listeners.

test("listeners hear every change, and nothing after they left", async () => {
  const client = connect();
  const seen: string[] = [];
  const leave = client.session.on((state) => seen.push(state.status));
  await client.login(ana);
  await client.session.token({ force: true });
  leave();
  await client.logout();
  expect(seen).toEqual(["anonymous", "live", "refreshing", "live"]);
});

test("a listener may use the client", async () => {
  const client = connect();
  const tokens: (string | null)[] = [];
  let renewed = false;
  client.session.on(async (state) => {
    if (state.status !== "refreshing" || renewed) return;
    renewed = true;
    tokens.push(await client.session.token());
    await client.login(ana);
    tokens.push(await client.session.token());
  });
  await client.login(ana);
  await client.session.token({ force: true });
  await until("the listener is done", () => tokens.length === 2);
  expect(tokens).toEqual(["access-1", "access-3"]);
});

test("the state is the same object until it changes", async () => {
  const client = connect();
  await client.login(ana);
  const { state } = client.session;
  await client.session.token();
  expect(client.session.state).toBe(state);
  expect(Object.isFrozen(state)).toBe(true);
});

// The app's store of a refresh token.

test("a program that stores its refresh token goes on where it was", async () => {
  let stored: string | null = null;
  const refreshTokenStore = {
    get: async () => stored,
    set: async (token: string | null) => {
      await sleep(20);
      stored = token;
    },
  };
  await connect({ refreshTokenStore }).login(ana);
  expect(stored).toBe("refresh-1");
  const later = connect({ refreshTokenStore });
  expect(await later.session.token()).toBe("access-2");
  expect(later.session.state.renewals).toBe(0);
  await until("the new one is stored", () => stored === "refresh-2");
  await later.logout();
  await until("it is forgotten", () => stored === null);
});

test("a program that crashes during a refresh repeats it with the same attempt key", async () => {
  let stored: string | null = null;
  const refreshTokenStore = {
    get: () => stored,
    set: async (text: string | null) => {
      await sleep(20);
      stored = text;
    },
  };
  const crashing = connect({ refreshTokenStore });
  await crashing.login(ana);
  server.once("Refresh", (call, response) => {
    expect(stored).toBe(`refresh-1 ${call.variables.attempt}`);
    server.rotate(call.variables.attempt);
    response.destroy();
  });
  await failure(crashing.session.token({ force: true }));
  const lost = server.last("Refresh").variables;
  expect(await connect({ refreshTokenStore }).session.token()).toBe("access-2");
  expect(server.last("Refresh").variables).toEqual(lost);
  await until("the key is forgotten", () => stored === "refresh-2");
});

test("a store that hangs costs nobody the session", async () => {
  let hangs = false;
  const set = () => (hangs ? new Promise<void>(() => {}) : undefined);
  const client = connect({ refreshTokenStore: { get: () => null, set } });
  await client.login(ana);
  hangs = true;
  expect(await client.session.token({ force: true })).toBe("access-2");
});

test("a store that fails at reading says so and is asked again", async () => {
  let works = false;
  const refreshTokenStore = {
    get: () => {
      if (works) return null;
      throw new Error("keychain is locked");
    },
    set: () => {},
  };
  const client = connect({ refreshTokenStore });
  client.session.start();
  await expect(client.session.token()).rejects.toThrow("keychain is locked");
  works = true;
  expect(await client.session.token()).toBeNull();
});

test("a store that fails at writing costs nobody the session", async () => {
  const refreshTokenStore = {
    get: () => null,
    set: () => Promise.reject(new Error("disk is full")),
  };
  const client = connect({ refreshTokenStore });
  await client.login(ana);
  expect(await client.session.token({ force: true })).toBe("access-2");
});

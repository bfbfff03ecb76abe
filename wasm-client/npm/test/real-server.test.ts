// The package against the real server, by the transport BODY; the browser tests of the demo cover COOKIE.

import { type Client, createClient } from "@countersign/client";
import { loadTokens, remoteKeySet } from "@countersign/client/token";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { RealServer } from "./support/real-server.js";
import { sleep, until } from "./support/wait.js";

const password = "seven unrelated lanterns drift";

let server: RealServer;
let people = 0;
const clients: Client[] = [];

function connect(refreshTokenStore?: { get(): string | null; set(token: string | null): void }) {
  const store = refreshTokenStore === undefined ? {} : { refreshTokenStore };
  const client = createClient({ endpoint: server.endpoint, transport: "BODY", ...store });
  clients.push(client);
  return client;
}

async function newcomer(client: Client) {
  people += 1;
  const email = `ana${people}@example.com`;
  return client.register({ email, password, name: "Ana" });
}

const me = (client: Client) => client.request<{ me: { email: string } }>("{ me { email } }");

beforeAll(async () => {
  server = await RealServer.start();
}, 60_000);

afterEach(() => {
  for (const client of clients.splice(0)) client.session.dispose();
});

afterAll(() => server?.stop());

test("register, me, refresh, sign out, sign in", async () => {
  const client = connect();
  const user = await newcomer(client);
  expect(user).toMatchObject({ name: "Ana", role: "USER", disabled: false, emailVerified: false });
  expect((await me(client)).me.email).toBe(user.email);

  const first = await client.session.token();
  const second = await client.session.token({ force: true });
  expect(second).not.toBe(first);
  expect(client.session.state).toMatchObject({ status: "live", renewals: 1 });
  expect((await me(client)).me.email).toBe(user.email);

  await client.logout();
  await expect(me(client)).rejects.toMatchObject({
    code: "UNAUTHENTICATED",
    reason: "TOKEN_MISSING",
  });
  expect((await client.login({ email: user.email, password })).id).toBe(user.id);
  expect((await me(client)).me.email).toBe(user.email);
});

test("a recovery link sets a new password, once", async () => {
  const client = connect();
  const { email } = await newcomer(client);
  const link = new URL(await server.command(["users", "recover", "--email", email]));
  expect(link.href.startsWith(`${server.origin}/recover#token=`)).toBe(true);
  const token = new URLSearchParams(link.hash.slice(1)).get("token") ?? "";
  const visitor = connect();
  await expect(visitor.recover({ token, newPassword: "password1" })).rejects.toMatchObject({
    code: "BAD_USER_INPUT",
    field: "newPassword",
  });
  const newPassword = "eight unrelated lanterns drift";
  await visitor.recover({ token, newPassword });
  await expect(visitor.recover({ token, newPassword })).rejects.toMatchObject({
    code: "UNAUTHENTICATED",
    reason: "RECOVERY_INVALID",
  });
  expect(await client.session.token({ force: true })).toBeNull();
  expect(client.session.state.reason).toBe("SESSION_ENDED");
  expect((await visitor.login({ email, password: newPassword })).email).toBe(email);
});

test("what the server signs, the core verifies with the server's keys", async () => {
  const client = connect();
  const user = await newcomer(client);
  const token = (await client.session.token()) ?? "";
  const tokens = await loadTokens();
  const keys = remoteKeySet(`${server.origin}/.well-known/jwks.json`);
  const rules = { issuer: server.origin, audience: server.origin };
  const claims = await tokens.verify(token, keys, rules);
  expect(claims).toMatchObject({
    sub: user.id,
    sid: client.session.state.sessionId,
    role: "USER",
    iss: server.origin,
  });
  expect(claims.exp - claims.iat).toBe(4);

  const [header, , signature] = token.split(".");
  const admin = Buffer.from(JSON.stringify({ ...claims, role: "ADMIN" })).toString("base64url");
  const invalid = { reason: "TOKEN_INVALID" };
  await expect(tokens.verify(`${header}.${admin}.${signature}`, keys, rules)).rejects.toMatchObject(
    invalid,
  );
  const elsewhere = { ...rules, audience: "https://other.example.com" };
  await expect(tokens.verify(token, keys, elsewhere)).rejects.toMatchObject(invalid);
  const later = { ...rules, now: Date.now() + 60_000 };
  await expect(tokens.verify(token, keys, later)).rejects.toMatchObject({
    reason: "TOKEN_EXPIRED",
  });
});

test("the server's refusals arrive with code, reason and field", async () => {
  const client = connect();
  const { email } = await newcomer(client);
  const other = connect();
  await expect(other.login({ email, password: "not it" })).rejects.toMatchObject({
    code: "UNAUTHENTICATED",
    reason: "BAD_CREDENTIALS",
  });
  await expect(other.register({ email, password, name: "Ana" })).rejects.toMatchObject({
    code: "BAD_USER_INPUT",
    reason: "EMAIL_TAKEN",
    field: "email",
  });
  await expect(client.request("{ users { edges { cursor } } }")).rejects.toMatchObject({
    code: "FORBIDDEN",
    reason: "ROLE_REQUIRED",
  });
  await expect(client.request("{ nothing }")).rejects.toMatchObject({
    code: "GRAPHQL_VALIDATION_FAILED",
  });
});

test("a started session stays signed in across token lives", async () => {
  const client = connect();
  const statuses = new Set<string>();
  client.session.on((state) => statuses.add(state.status));
  client.session.start();
  await newcomer(client);
  await until("it has renewed three times", () => client.session.state.renewals >= 3, 15_000);
  expect([...statuses].sort()).toEqual(["anonymous", "live", "refreshing"]);
  await me(client);
});

test("a request after the token's end renews it and succeeds", async () => {
  const client = connect();
  await newcomer(client);
  await sleep(5000);
  await me(client);
  expect(client.session.state.renewals).toBe(1);
});

test("a program that is started again goes on where it was", async () => {
  let stored: string | null = null;
  const store = {
    get: () => stored,
    set: (token: string | null) => {
      stored = token;
    },
  };
  const { email } = await newcomer(connect(store));
  const later = connect(store);
  expect((await me(later)).me.email).toBe(email);
  expect(later.session.state.user?.email).toBe(email);
});

test("a session that another device ended is signed out, with the reason", async () => {
  let stored: string | null = null;
  const client = connect({
    get: () => null,
    set: (token) => {
      stored = token;
    },
  });
  await newcomer(client);
  const thief = createClient({
    endpoint: server.endpoint,
    transport: "BODY",
    refreshTokenStore: { get: () => stored, set: () => {} },
  });
  await thief.session.signOut();
  expect(await client.session.token({ force: true })).toBeNull();
  expect(client.session.state).toMatchObject({ status: "signed-out", reason: "SESSION_ENDED" });
});

test("answers that are lost cost nobody the session", async () => {
  let losses = 0;
  const client = createClient({
    endpoint: server.endpoint,
    transport: "BODY",
    fetch: async (input, init) => {
      const response = await fetch(input, init);
      if (losses === 0) return response;
      losses -= 1;
      await response.text();
      throw new TypeError("the connection broke after the server had rotated");
    },
  });
  await newcomer(client);
  losses = 1;
  await expect(client.session.token({ force: true })).rejects.toMatchObject({ code: "NETWORK" });
  await sleep(5500);
  await me(client);
  losses = 1;
  await expect(client.session.token({ force: true })).rejects.toMatchObject({ code: "NETWORK" });
  await sleep(5500);
  await me(client);
  expect(client.session.state).toMatchObject({ status: "live", renewals: 2 });
  for (const act of [
    () => client.reauthenticate(password),
    () => client.changePassword({ currentPassword: password, newPassword: `${password} again` }),
  ]) {
    losses = 1;
    await expect(act()).rejects.toMatchObject({ code: "NETWORK" });
    await client.session.token({ force: true });
    await me(client);
  }
});

test("a server that crashes costs nobody the session", async () => {
  const client = connect();
  const { email } = await newcomer(client);
  await server.crash();
  await expect(client.session.token({ force: true })).rejects.toMatchObject({ retriable: true });
  expect(client.session.state.user?.email).toBe(email);
  await server.restart();
  await sleep(5500); // past the token's end, and past the pause after a failure
  expect((await me(client)).me.email).toBe(email);
});

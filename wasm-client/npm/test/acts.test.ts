// What somebody who is signed in does to the session itself.

import { type Client, createClient } from "@countersign/client";
import { afterEach, beforeEach, expect, test } from "vitest";
import { FakeServer, json, refuse } from "./support/fake-server.js";
import { openPage } from "./support/page.js";
import { sleep, until } from "./support/wait.js";

const ana = { email: "ana@example.com", password: "correct horse battery" };
const passwords = { currentPassword: ana.password, newPassword: "seven unrelated lanterns drift" };

/** Every act, with the operation that it sends. */
const ACTS: [string, (client: Client) => Promise<unknown>][] = [
  ["ChangePassword", (client) => client.changePassword(passwords)],
  ["Reauthenticate", (client) => client.reauthenticate(ana.password)],
  ["LogoutEverywhere", (client) => client.logoutEverywhere()],
  ["DeleteAccount", (client) => client.deleteAccount(ana.password)],
];

let server: FakeServer;
let client: Client;
const others: Client[] = [];

beforeEach(async () => {
  server = await FakeServer.start();
  client = createClient({ endpoint: server.endpoint, transport: "BODY" });
  await client.login(ana);
});

afterEach(async () => {
  for (const other of others.splice(0)) other.session.dispose();
  await server.stop();
});

test.each([
  ["ChangePassword", { input: passwords }],
  ["Reauthenticate", { password: ana.password }],
] as const)("%s takes over the new grant", async (operation, variables) => {
  const act = ACTS.find(([name]) => name === operation)?.[1];
  server.role = "MANAGER";
  expect(await act?.(client)).toMatchObject({ name: "Ana", role: "MANAGER" });
  const call = server.last(operation);
  expect(call.variables).toEqual({ ...variables, attempt: expect.any(String) });
  expect(call.headers.authorization).toBe("Bearer access-1");
  expect(await client.session.token()).toBe("access-2");
  expect(client.session.state).toMatchObject({ status: "live", renewals: 0 });
  await client.session.token({ force: true });
  expect(server.last("Refresh").variables.refreshToken).toBe("refresh-2");
});

test("logoutEverywhere says how many, and ends the session here", async () => {
  expect(await client.logoutEverywhere()).toBe(3);
  expect(client.session.state).toMatchObject({
    status: "signed-out",
    user: null,
    reason: "LOGGED_OUT_EVERYWHERE",
  });
  expect(server.count("Logout")).toBe(0);
});

test("deleteAccount ends the session here", async () => {
  await client.deleteAccount(ana.password);
  expect(server.last("DeleteAccount").variables).toEqual({ password: ana.password });
  expect(client.session.state).toMatchObject({ status: "signed-out", reason: "ACCOUNT_DELETED" });
  expect(server.count("Logout")).toBe(0);
});

test.each(ACTS)("%s: a wrong password leaves the session as it was", async (operation, act) => {
  server.once(operation, (_, response) => refuse(response, "UNAUTHENTICATED", "BAD_CREDENTIALS"));
  await expect(act(client)).rejects.toMatchObject({ reason: "BAD_CREDENTIALS" });
  expect(client.session.state).toMatchObject({ status: "live", reason: null });
  expect(server.count("Refresh")).toBe(0);
});

test.each(ACTS)(
  "%s renews a token that does not do, and tries once more",
  async (operation, act) => {
    server.once(operation, (_, response) => refuse(response, "UNAUTHENTICATED", "TOKEN_STALE"));
    await act(client);
    expect(server.count(operation)).toBe(2);
    expect(server.last(operation).headers.authorization).toBe("Bearer access-2");
    expect(server.count("Refresh")).toBe(1);
  },
);

test.each(ACTS)("%s is not repeated for ever", async (operation, act) => {
  server.on(operation, (_, response) => refuse(response, "UNAUTHENTICATED", "TOKEN_STALE"));
  await expect(act(client)).rejects.toMatchObject({ reason: "TOKEN_STALE" });
  expect(server.count(operation)).toBe(2);
  expect(server.count("Refresh")).toBe(1);
});

test.each(ACTS)("%s of a session that has ended ends it here", async (operation, act) => {
  server.sessionEnded = "SESSION_ENDED";
  server.once(operation, (_, response) => refuse(response, "UNAUTHENTICATED", "SESSION_ENDED"));
  await expect(act(client)).rejects.toMatchObject({ reason: "SESSION_ENDED" });
  expect(client.session.state).toMatchObject({ status: "signed-out", reason: "SESSION_ENDED" });
  expect(server.count(operation)).toBe(1);
});

test.each(ACTS)("%s without a session gets the server's answer", async (operation, act) => {
  await client.logout();
  server.once(operation, (call, response) => {
    expect(call.headers.authorization).toBeUndefined();
    return refuse(response, "UNAUTHENTICATED", "TOKEN_MISSING");
  });
  await expect(act(client)).rejects.toMatchObject({ reason: "TOKEN_MISSING" });
});

test("recover needs no session, and leaves the one that there is alone", async () => {
  const input = { token: "a".repeat(43), newPassword: passwords.newPassword };
  server.on("Recover", (_, response) => json(response, { data: { auth: true } }));
  for (const visitor of [client, createClient({ endpoint: server.endpoint, transport: "BODY" })]) {
    expect(await visitor.recover(input)).toBeUndefined();
    const call = server.last("Recover");
    expect(call.variables).toEqual({ input });
    expect(call.headers.authorization).toBeUndefined();
  }
  server.on("Recover", (_, response) => refuse(response, "UNAUTHENTICATED", "RECOVERY_INVALID"));
  await expect(client.recover(input)).rejects.toMatchObject({ reason: "RECOVERY_INVALID" });
  expect(client.session.state).toMatchObject({ status: "live", reason: null });
  expect(server.count("Refresh")).toBe(0);
});

test.each(ACTS.slice(0, 2))(
  "%s: the answer is lost, and the next refresh gets it",
  async (operation, act) => {
    let stored: string | null = null;
    const refreshTokenStore = {
      get: () => stored,
      set: (text: string | null) => {
        stored = text;
      },
    };
    const options = { endpoint: server.endpoint, transport: "BODY", refreshTokenStore } as const;
    const script = createClient(options);
    await script.login(ana);
    const { refreshToken } = server.grant();
    server.once(operation, (call, response) => {
      server.prove(call.variables.attempt);
      response.destroy();
    });
    await expect(act(script)).rejects.toMatchObject({ code: "NETWORK" });
    expect(script.session.state.status).toBe("live");
    const { attempt } = server.last(operation).variables;
    expect(stored).toBe(`${refreshToken} ${attempt}`);
    // Also by the program's next run.
    for (const next of [createClient(options), script]) {
      expect(await next.session.token({ force: true })).toBe(server.grant().accessToken);
      expect(server.last("Refresh").variables).toEqual({ refreshToken, attempt });
    }
  },
);

test("an act waits for the refresh before it, and saves the refresh after it", async () => {
  const order: string[] = [];
  for (const operation of ["Refresh", "Reauthenticate"])
    server.on(operation, (call, response) => {
      order.push(operation);
      server.rotate(call.variables.attempt ?? Math.random());
      const answer = { data: { auth: server.grant() } };
      setTimeout(() => {
        order.push(`${operation} answered`);
        json(response, answer);
      }, 50);
    });
  const refresh = client.session.token({ force: true });
  const act = client.reauthenticate(ana.password);
  await Promise.all([refresh, act]);
  const again = client.reauthenticate(ana.password);
  await sleep(10);
  await Promise.all([again, client.session.token({ force: true })]);
  const one = ["Refresh", "Refresh answered"];
  const other = ["Reauthenticate", "Reauthenticate answered"];
  // The act's token is another one than was to be replaced.
  expect(order).toEqual([...one, ...other, ...other]);
});

test("an act asked for in one session is not done in the next", async () => {
  server.once("Login", (_, response) => {
    server.sessionId = "session-2";
    setTimeout(() => json(response, { data: { auth: server.grant() } }), 50);
  });
  const next = client.login(ana);
  await until("the sign-in is under way", () => server.count("Login") === 2);
  await expect(client.deleteAccount(ana.password)).rejects.toMatchObject({
    code: "SESSION_CHANGED",
  });
  await next;
  expect(server.count("DeleteAccount")).toBe(0);
  expect(client.session.state).toMatchObject({ status: "live", sessionId: "session-2" });
});

test("a sign-out during an act holds, and ends what the act began", async () => {
  server.once("ChangePassword", (_, response) => {
    server.generation += 1;
    setTimeout(() => json(response, { data: { auth: server.grant() } }), 50);
  });
  const act = client.changePassword(passwords);
  await until("the act is under way", () => server.count("ChangePassword") === 1);
  await client.logout();
  await act;
  expect(client.session.state).toMatchObject({ status: "signed-out", user: null, reason: null });
  await until("the server knows both", () => server.count("Logout") === 2);
  const told = server.calls.filter(({ operation }) => operation === "Logout");
  expect(told.map(({ variables }) => variables.refreshToken)).toEqual(["refresh-1", "refresh-2"]);
});

test("the new refresh token is stored before the act is done", async () => {
  let stored: string | null = null;
  const refreshTokenStore = {
    get: () => stored,
    set: async (token: string | null) => {
      await sleep(20);
      stored = token;
    },
  };
  const script = createClient({
    endpoint: server.endpoint,
    transport: "BODY",
    refreshTokenStore,
  });
  await script.login(ana);
  await script.changePassword(passwords);
  expect(stored).toBe(`refresh-${server.generation}`);
});

/** Two tabs of one session that listen; the second was opened later. */
async function openTabs(): Promise<[Client, Client]> {
  openPage();
  const tab = openTab();
  await tab.login(ana);
  const other = openTab();
  await until("both listen", () => server.streams.open.length === 2);
  return [tab, other];
}

function openTab(): Client {
  const tab = createClient({ endpoint: server.endpoint });
  others.push(tab);
  tab.session.start();
  return tab;
}

test.each([
  ["logoutEverywhere", "LOGGED_OUT_EVERYWHERE", (tab: Client) => tab.logoutEverywhere()],
  ["deleteAccount", "ACCOUNT_DELETED", (tab: Client) => tab.deleteAccount("x")],
] as const)("%s is told to the other tabs and ends here once", async (_, reason, act) => {
  const [tab, other] = await openTabs();
  const seen: string[] = [];
  tab.session.on(({ status }) => seen.push(status));
  await act(tab);
  await until("the other knows", () => other.session.state.status === "signed-out");
  expect(other.session.state.reason).toBe(reason);
  expect(tab.session.state.reason).toBe(reason);
  expect(localStorage.getItem("countersign:default:session")).toBe("");
  await sleep(50);
  // The time of the next renewal may still have moved before.
  expect(seen.filter((status) => status !== "live")).toEqual(["signed-out"]);
});

test("an event that comes before the answer changes nothing about the end", async () => {
  const [tab] = await openTabs();
  server.once("LogoutEverywhere", (_, response) => {
    server.streams.end("LOGGED_OUT_EVERYWHERE");
    setTimeout(() => json(response, { data: { auth: 2 } }), 50);
  });
  expect(await tab.logoutEverywhere()).toBe(2);
  expect(tab.session.state).toMatchObject({ user: null, reason: "LOGGED_OUT_EVERYWHERE" });
  expect(localStorage.getItem("countersign:default:session")).toBe("");
});

test("a change of one's own password costs no renewal, here or in the other tabs", async () => {
  const [tab, other] = await openTabs();
  await sleep(1_100); // times of tokens are in whole seconds
  const refreshes = server.count("Refresh");
  server.once("ChangePassword", (_, response) => {
    server.generation += 1;
    server.streams.push("CHANGED", "PASSWORD_CHANGED");
    setTimeout(() => json(response, { data: { auth: server.grant() } }), 50);
  });
  await tab.changePassword(passwords);
  await until("the other has the new token", () => other.session.state.renewals === 1);
  await sleep(100);
  expect(tab.session.state.renewals).toBe(0);
  expect(server.count("Refresh")).toBe(refreshes);
});

// The tabs of a browser: one storage, one cookie and one channel. Web Locks are tested in the browser, where they are.

import { type Client, type ClientOptions, createClient } from "@countersign/client";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { FakeServer, json, refuse } from "./support/fake-server.js";
import { openPage, type Page } from "./support/page.js";
import { sleep, until } from "./support/wait.js";

const ana = { email: "ana@example.com", password: "correct horse battery" };
const FLAG = "countersign:default:session";

let server: FakeServer;
let page: Page;
const tabs: Client[] = [];

function open(options: Partial<ClientOptions> = {}): Client {
  const tab = createClient({ endpoint: server.endpoint, events: false, ...options });
  tabs.push(tab);
  tab.session.start();
  return tab;
}

/** A tab that has signed in, and `others` that were open before. */
async function openAll(others: number): Promise<Client[]> {
  const waiting = Array.from({ length: others }, () => open());
  const first = open();
  await first.login(ana);
  await until("all are live", () => waiting.every(isLive));
  return [first, ...waiting];
}

const isLive = (tab: Client) => tab.session.state.status === "live";

beforeEach(async () => {
  page = openPage();
  server = await FakeServer.start();
});

afterEach(async () => {
  for (const tab of tabs.splice(0)) tab.session.dispose();
  vi.useRealTimers();
  await server.stop();
});

test("a sign-in signs in all tabs, and a tab that opens later too, without a call", async () => {
  await openAll(2);
  const later = open();
  expect(await later.session.token()).toBe("access-1");
  expect(later.session.state).toMatchObject({ status: "live", renewals: 0 });
  expect(server.calls).toHaveLength(1);
});

test("a renewal in one tab is one in all, with the same end of life", async () => {
  const [first, second] = (await openAll(1)) as [Client, Client];
  expect(await first.session.token({ force: true })).toBe("access-2");
  await until("the other has it", () => second.session.state.renewals === 1);
  expect(await second.session.token()).toBe("access-2");
  const apart = (second.session.state.expiresAt ?? 0) - (first.session.state.expiresAt ?? 0);
  expect(Math.abs(apart)).toBeLessThan(1_000);
  expect(server.count("Refresh")).toBe(1);
});

test("a refresh that the server refuses for good ends the session in all tabs, with one call", async () => {
  const [first, second] = (await openAll(1)) as [Client, Client];
  server.sessionEnded = "REFRESH_REUSED";
  expect(await first.session.token({ force: true })).toBeNull();
  await until("the other knows", () => second.session.state.reason === "REFRESH_REUSED");
  expect(page.storage.get(FLAG)).toBe("");
  expect(server.count("Refresh")).toBe(1);
});

test("a sign-in as somebody else is followed by all tabs", async () => {
  const [first, second] = (await openAll(1)) as [Client, Client];
  server.sessionId = "session-2";
  await second.login({ ...ana, email: "bob@example.com" });
  await until("the other follows", () => first.session.state.sessionId === "session-2");
  expect(first.session.state).toMatchObject({ status: "live", renewals: 0 });
});

test("a tab that heard nothing follows what the storage says, when it is looked at", async () => {
  const tab = open();
  await tab.login(ana);
  page.storage.set(FLAG, "");
  page.fire("pageshow");
  expect(tab.session.state).toMatchObject({ status: "signed-out", reason: "LOGGED_OUT" });
  page.storage.set(FLAG, "session-2");
  server.sessionId = "session-2";
  page.fire("focus");
  await until("it has followed", () => tab.session.state.sessionId === "session-2");
  expect(server.count("Refresh")).toBe(1);
});

test("a request of a tab that heard nothing is not sent as somebody else", async () => {
  const tab = open();
  await tab.login(ana);
  page.storage.set(FLAG, "session-2");
  server.sessionId = "session-2";
  await expect(tab.request("{ me { id } }")).rejects.toMatchObject({ code: "SESSION_CHANGED" });
  expect(server.count("")).toBe(0);
  expect(tab.session.state.sessionId).toBe("session-2");
});

test("a sign-out without network is told by whatever tab is left", async () => {
  const [first, second] = (await openAll(1)) as [Client, Client];
  server.on("Logout", (_, response) => response.destroy());
  await first.logout();
  first.session.dispose();
  await until("the other knows", () => second.session.state.status === "signed-out");
  server.on("Logout", null);
  page.fire("online");
  await until("the server knows", () => server.sessionEnded !== null);
});

test("storage that lags behind the word of an end brings nobody back", async () => {
  const [first, second] = (await openAll(1)) as [Client, Client];
  await first.logout();
  await until("the other knows", () => second.session.state.status === "signed-out");
  page.storage.set(FLAG, "session-1");
  page.fire("focus");
  expect(await second.session.token()).toBeNull();
  expect(second.session.state.status).toBe("signed-out");
  expect(server.count("Refresh")).toBe(0);
});

test("storage that lags behind the word of a sign-in signs nobody out", async () => {
  const [first, second] = (await openAll(1)) as [Client, Client];
  page.storage.set(FLAG, "");
  page.fire("focus");
  expect([first, second].map(({ session }) => session.state.status)).toEqual([
    "signed-out",
    "live",
  ]);
});

test("an answer that comes late never puts the session before back", async () => {
  const tab = open();
  await tab.login(ana);
  server.once("Refresh", (call, response) => {
    server.rotate(call.variables.attempt);
    const late = { data: { auth: server.grant() } };
    page.storage.set(FLAG, "session-2");
    server.sessionId = "session-2";
    setTimeout(() => json(response, late), 50);
  });
  const seen: unknown[] = [];
  tab.session.on(({ sessionId, status }) => status === "live" && seen.push(sessionId));
  await tab.session.token({ force: true }).catch(() => {});
  await until("it has followed", () => tab.session.state.sessionId === "session-2");
  expect(new Set(seen)).toEqual(new Set(["session-2"]));
  expect(page.storage.get(FLAG)).toBe("session-2");
});

test("an app that empties its storage signs nobody out", async () => {
  const tab = open();
  await tab.login(ana);
  page.storage.clear();
  page.fire("focus");
  expect(tab.session.state.status).toBe("live");
  expect(page.storage.get(FLAG)).toBe("session-1");
});

test("a token of a tab that belongs to another session is not taken over", async () => {
  const tab = open();
  await tab.login(ana);
  const stale = open();
  await until("it is live", () => isLive(stale));
  page.storage.set(FLAG, "session-9");
  server.once("Refresh", (_, response) => refuse(response, "UNAVAILABLE", "X", { retryAfter: 60 }));
  const fresh = open();
  await until("it has asked", () => server.count("Refresh") === 1);
  await sleep(50);
  expect(fresh.session.state).toMatchObject({ status: "restoring", user: null });
});

test("where nothing can be stored a tab still takes over what another has", async () => {
  const tab = open();
  await tab.login(ana);
  vi.stubGlobal("localStorage", undefined);
  expect(await open().session.token()).toBe("access-1");
  expect(server.count("Refresh")).toBe(0);
});

test("a tab that hears late counts the time that it did not hear", async () => {
  const tab = open();
  await tab.login(ana);
  const channel = new BroadcastChannel("countersign:default");
  const grant = { ...server.grant(), accessToken: "access-9", refreshToken: null };
  const at = Date.now() - 50_000;
  channel.postMessage({ type: "grant", grant, age: 1_000, at, isNew: false });
  channel.close();
  await until("it has heard", () => tab.session.state.renewals === 1);
  const left = (tab.session.state.expiresAt ?? 0) - Date.now();
  expect(left).toBeGreaterThan(5_000);
  expect(left).toBeLessThanOrEqual(9_000);
});

test("a session that is replaced is not looked at as ended", async () => {
  const [first, second] = (await openAll(1)) as [Client, Client];
  const listening = open({ events: true });
  await until("its stream stands", () => server.streams.open.length === 1);
  const seen: string[] = [];
  for (const tab of [first, second, listening])
    tab.session.on(({ status, sessionId }) => seen.push(`${status} ${sessionId}`));
  server.once("Login", () => {
    server.sessionId = "session-2";
    server.streams.end("SESSION_REPLACED");
    return false;
  });
  await first.login(ana);
  await until("all have followed", () =>
    [first, second, listening].every(({ session }) => session.state.sessionId === "session-2"),
  );
  await sleep(1_200);
  expect(new Set(seen)).toEqual(new Set(["live session-2"]));
  expect(page.storage.get(FLAG)).toBe("session-2");
});

test("a clock that is set forward while the stream stands costs no refresh", async () => {
  const tab = open({ events: true });
  await tab.login(ana);
  await until("the stream stands", () => server.streams.open.length === 1);
  await sleep(50);
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 2 * 3_600_000 });
  expect(await tab.session.token()).toBe("access-1");
  page.fire("focus");
  await sleep(50);
  expect(await tab.session.token()).toBe("access-1");
  vi.setSystemTime(Date.now() - 4 * 3_600_000);
  expect(await tab.session.token()).toBe("access-1");
  expect(server.count("Refresh")).toBe(0);
  expect(await tab.session.token({ force: true })).toBe("access-2");
});

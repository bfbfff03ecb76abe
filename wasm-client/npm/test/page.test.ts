// The session in a page: storage that outlives it, visibility, and the transport COOKIE.

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { type Client, type ClientOptions, createClient } from "@countersign/client";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { FakeServer, refuse } from "./support/fake-server.js";
import { openPage } from "./support/page.js";
import { sleep, until } from "./support/wait.js";

const ana = { email: "ana@example.com", password: "correct horse battery" };
const FLAG = "countersign:default:session";
const ATTEMPT = "countersign:default:attempt";

let server: FakeServer;
const clients: Client[] = [];

function connect(options: Partial<ClientOptions> = {}): Client {
  const client = createClient({ endpoint: server.endpoint, ...options });
  clients.push(client);
  return client;
}

beforeEach(async () => {
  server = await FakeServer.start();
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.session.dispose();
  vi.useRealTimers();
  await server.stop();
});

test("importing and constructing touch no global", async () => {
  const script = `
    for (const name of ["document", "window", "localStorage", "sessionStorage", "location", "indexedDB", "BroadcastChannel"]) {
      Object.defineProperty(globalThis, name, { configurable: true, get() { throw new Error("touched " + name); } });
    }
    globalThis.fetch = () => { throw new Error("fetched"); };
    const { createClient } = await import("@countersign/client");
    await import("@countersign/client/token");
    const client = createClient({ endpoint: "/graphql" });
    console.log(client.session.state.status);
  `;
  const run = promisify(execFile);
  const cwd = new URL("..", import.meta.url);
  const { stdout } = await run(process.execPath, ["--input-type=module", "-e", script], { cwd });
  expect(stdout.trim()).toBe("restoring");
});

test("a first visit costs no request", async () => {
  openPage();
  const client = connect();
  client.session.start();
  await until("it is anonymous", () => client.session.state.status === "anonymous");
  expect(server.calls).toHaveLength(0);
});

test("a reload restores the session", async () => {
  const page = openPage();
  const client = connect();
  await client.login(ana);
  expect(server.last("Login").variables).toMatchObject({ transport: "COOKIE" });
  expect(page.storage.get(FLAG)).toBe("session-1");
  client.session.dispose();
  const reloaded = connect();
  reloaded.session.start();
  await until("it is restored", () => reloaded.session.state.status === "live");
  expect(reloaded.session.state.renewals).toBe(0);
  expect(server.last("Refresh").variables).toMatchObject({ refreshToken: null });
});

test("token() restores too, without start()", async () => {
  openPage(new Map([[FLAG, "session-1"]]));
  expect(await connect().session.token()).toBe("access-1");
});

test("a cookie that is gone leads to anonymous, quietly", async () => {
  const page = openPage(new Map([[FLAG, "session-1"]]));
  server.sessionEnded = "REFRESH_MISSING";
  const client = connect();
  client.session.start();
  await until("it is anonymous", () => client.session.state.status === "anonymous");
  expect(client.session.state.reason).toBeNull();
  expect([...page.storage]).toEqual([[FLAG, ""]]);
});

test("a session that ended while the page was closed says why", async () => {
  openPage(new Map([[FLAG, "session-1"]]));
  server.sessionEnded = "REFRESH_EXPIRED";
  const client = connect();
  expect(await client.session.token()).toBeNull();
  expect(client.session.state).toMatchObject({ status: "signed-out", reason: "REFRESH_EXPIRED" });
});

test("a page that may not remember asks once", async () => {
  openPage();
  vi.stubGlobal("localStorage", undefined);
  server.sessionEnded = "REFRESH_MISSING";
  expect(await connect().session.token()).toBeNull();
  expect(server.count("Refresh")).toBe(1);
});

test("a reload during a refresh repeats its attempt key", async () => {
  const page = openPage();
  const client = connect();
  await client.login(ana);
  server.once("Refresh", (call, response) => {
    server.rotate(call.variables.attempt);
    expect(page.storage.get(ATTEMPT)).toBe(call.variables.attempt);
    response.destroy();
  });
  await expect(client.session.token({ force: true })).rejects.toMatchObject({ code: "NETWORK" });
  const { attempt } = server.last("Refresh").variables;
  client.session.dispose();
  expect(await connect().session.token()).toBe("access-2");
  expect(server.last("Refresh").variables.attempt).toBe(attempt);
  expect(page.storage.has(ATTEMPT)).toBe(false);
});

test("a reload renews its first token at the core's time", async () => {
  openPage(new Map([[FLAG, "session-1"]]));
  server.lifetime = 900;
  const client = connect();
  client.session.start();
  await until("the core has taken over", () => {
    const { expiresAt, refreshAt } = client.session.state;
    return (expiresAt ?? 0) - (refreshAt ?? 0) >= 60_000;
  });
});

test("a storage that fills up during a session costs nobody the session", async () => {
  const page = openPage();
  const client = connect();
  await client.login(ana);
  page.fill();
  server.once("Refresh", (_, response) => response.destroy());
  await expect(client.session.token({ force: true })).rejects.toMatchObject({ code: "NETWORK" });
  const { attempt } = server.last("Refresh").variables;
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 10_000 });
  expect(await client.session.token({ force: true })).toBe("access-2");
  expect(server.last("Refresh").variables.attempt).toBe(attempt);
  await client.logout();
  await client.login(ana);
  expect(client.session.state.status).toBe("live");
});

test("an attempt key that the server refuses is replaced", async () => {
  openPage(new Map([[FLAG, "session-1"]]));
  server.once("Refresh", (_, response) => refuse(response, "BAD_USER_INPUT", "ATTEMPT_INVALID"));
  const client = connect();
  await expect(client.session.token()).rejects.toMatchObject({ reason: "ATTEMPT_INVALID" });
  const { attempt } = server.last("Refresh").variables;
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 10_000 });
  expect(await client.session.token()).toBe("access-1");
  expect(server.last("Refresh").variables.attempt).not.toBe(attempt);
});

test("a restore without network stays undecided and succeeds later", async () => {
  const page = openPage(new Map([[FLAG, "session-1"]]));
  server.on("Refresh", (_, response) => response.destroy());
  const client = connect();
  client.session.start();
  await until("it has tried", () => server.count("Refresh") > 0);
  await expect(client.session.token()).rejects.toMatchObject({ code: "NETWORK", retriable: true });
  expect(client.session.state.status).toBe("restoring");
  server.on("Refresh", null);
  page.fire("online");
  await until("it is restored", () => client.session.state.status === "live");
});

test("a sign-out without network is not undone by a reload and reaches the server later", async () => {
  const page = openPage();
  const client = connect();
  client.session.start();
  await client.login(ana);
  server.on("Logout", (_, response) => response.destroy());
  await client.logout();
  expect(client.session.state.status).toBe("signed-out");
  expect(page.storage.get(FLAG)).toBe("out");

  client.session.dispose();
  const tries = server.count("Logout");
  const reloaded = connect();
  reloaded.session.start();
  await until("it has tried", () => server.count("Logout") > tries);
  expect(reloaded.session.state.status).toBe("anonymous");
  expect(server.count("Refresh")).toBe(0);

  server.on("Logout", null);
  page.fire("online");
  await until("the server knows", () => server.sessionEnded !== null);
  await until("it is forgotten", () => page.storage.get(FLAG) === "");
});

test("a sign-out that waits does not end the session of a later sign-in", async () => {
  const page = openPage();
  const client = connect();
  client.session.start();
  await client.login(ana);
  server.on("Logout", (_, response) => response.destroy());
  await client.logout();
  await client.login(ana);
  server.on("Logout", null);
  page.fire("online");
  await sleep(100);
  expect(server.sessionEnded).toBeNull();
  expect(page.storage.get(FLAG)).toBe("session-1");
  expect(client.session.state.status).toBe("live");
});

test("another tab's sign-out without network is not undone by a renewal", async () => {
  const page = openPage();
  const [tab, other] = [connect(), connect()];
  await tab.login(ana);
  await other.login(ana);
  server.on("Logout", (_, response) => response.destroy());
  await other.logout();
  expect(await tab.session.token({ force: true })).toBeNull();
  expect(server.count("Refresh")).toBe(0);
  expect(tab.session.state).toMatchObject({ status: "signed-out", user: null });
  expect(page.storage.get(FLAG)).toBe("out");
});

test("another tab's sign-out during a renewal is not undone by its answer", async () => {
  const page = openPage();
  const tab = connect();
  await tab.login(ana);
  server.once("Refresh", () => {
    page.storage.set(FLAG, "out");
    return false;
  });
  expect(await tab.session.token({ force: true })).toBeNull();
  await until("the server knows", () => server.sessionEnded !== null);
  await until("it is forgotten", () => page.storage.get(FLAG) === "");
});

test("signing out twice leaves another tab's sign-out to be told", async () => {
  const page = openPage();
  const client = connect();
  await client.logout();
  page.storage.set(FLAG, "out");
  await client.logout();
  expect(page.storage.get(FLAG)).toBe("out");
});

test("nothing renews while the page is hidden, and at once when it is shown", async () => {
  const page = openPage();
  server.lifetime = 1;
  const client = connect();
  client.session.start();
  await client.login(ana);
  page.hide(true);
  await sleep(1500);
  expect(server.count("Refresh")).toBe(0);
  page.hide(false);
  await until("it has renewed", () => client.session.state.renewals === 1);
});

test.each(["focus", "pageshow", "online"] as const)("%s looks at the clock", async (event) => {
  const page = openPage();
  const client = connect();
  client.session.start();
  await client.login(ana);
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 3_600_000 });
  await until("it has renewed", () => {
    page.fire(event);
    return client.session.state.renewals === 1;
  });
});

test("two clients of one page keep apart", async () => {
  const page = openPage();
  await connect({ id: "a" }).login(ana);
  const other = connect({ id: "b" });
  expect(await other.session.token()).toBeNull();
  expect([...page.storage.keys()]).toEqual(["countersign:a:session"]);
});

test("a refused restore by a disabled origin is told, and is no sign-out", async () => {
  const page = openPage(new Map([[FLAG, "session-1"]]));
  server.once("Refresh", (_, response) => refuse(response, "FORBIDDEN", "ORIGIN_REFUSED"));
  await expect(connect().session.token()).rejects.toMatchObject({ reason: "ORIGIN_REFUSED" });
  expect(page.storage.get(FLAG)).toBe("session-1");
});

// What happens to a session elsewhere: the stream of sessionEvents, and the other tabs.

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { type Client, type ClientOptions, createClient } from "@countersign/client";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { FakeServer, json, refuse } from "./support/fake-server.js";
import type { FakeStreams } from "./support/fake-streams.js";
import { send } from "./support/fake-streams.js";
import { openPage, type Page } from "./support/page.js";
import { sleep, until } from "./support/wait.js";

const ana = { email: "ana@example.com", password: "correct horse battery" };

let server: FakeServer;
let streams: FakeStreams;
let page: Page;
const clients: Client[] = [];

/** A client as a tab of the page has it: several of them share its storage. */
function openTab(options: Partial<ClientOptions> = {}): Client {
  const client = createClient({ endpoint: server.endpoint, ...options });
  clients.push(client);
  client.session.start();
  return client;
}

/** A tab that is signed in and listens. */
async function listen(options?: Partial<ClientOptions>): Promise<Client> {
  const client = openTab(options);
  const before = streams.open.length;
  await client.login(ana);
  await until("the stream stands", () => streams.open.length > before);
  return client;
}

/** Another tab, which restores the session. */
async function listenToo(): Promise<Client> {
  const client = openTab();
  const before = streams.open.length;
  await until("the stream stands", () => streams.open.length > before);
  return client;
}

/** Takes the timers into the test's hands, and every wait at its longest. */
function holdTimers(): void {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  vi.spyOn(Math, "random").mockReturnValue(0.999);
}

/** Lets `ms` pass for the package's timers, with real time for the network in between. */
async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 1_000) {
    vi.advanceTimersByTime(Math.min(1_000, ms - passed));
    await sleep(3);
  }
}

beforeEach(async () => {
  server = await FakeServer.start();
  streams = server.streams;
  page = openPage();
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.session.dispose();
  vi.useRealTimers();
  await server.stop();
});

// When a stream is open.

test("a started session that lives holds one stream, opened with its token", async () => {
  const client = openTab();
  await sleep(50);
  expect(streams.attempts).toBe(0);
  await client.login(ana);
  await until("the stream stands", () => streams.open.length === 1);
  expect(streams.all[0]).toMatchObject({
    token: "access-1",
    received: ["connection_init", "subscribe"],
    socket: { protocol: "graphql-transport-ws" },
  });
  await client.session.token({ force: true });
  await sleep(50);
  expect(streams.attempts).toBe(1);
});

test("a stream begins and ends with start() and dispose()", async () => {
  const client = createClient({ endpoint: server.endpoint });
  clients.push(client);
  await client.login(ana);
  await sleep(50);
  expect(streams.attempts).toBe(0);
  client.session.start();
  await until("the stream stands", () => streams.open.length === 1);
  client.session.dispose();
  await until("it is closed", () => streams.open.length === 0);
  client.session.start();
  await until("it stands again", () => streams.open.length === 1);
  client.session.dispose();
  client.session.start();
  client.session.dispose();
  await sleep(100);
  expect(streams.open).toHaveLength(0);
});

test("no stream is opened where none is wanted, or there is no WebSocket", async () => {
  await openTab({ events: false }).login(ana);
  vi.stubGlobal("WebSocket", undefined);
  const client = openTab();
  await client.login(ana);
  await sleep(100);
  expect(streams.attempts).toBe(0);
  expect(await client.session.token({ force: true })).not.toBeNull();
});

test("outside of a page a stream is opened only when it is asked for", async () => {
  vi.stubGlobal("document", undefined);
  await openTab({ transport: "BODY" }).login(ana);
  await sleep(100);
  expect(streams.attempts).toBe(0);
  await openTab({ transport: "BODY", events: true }).login(ana);
  await until("the stream stands", () => streams.open.length === 1);
});

test("a program ends by itself once its sessions are disposed", async () => {
  const script = `
    const { createClient } = await import("@countersign/client");
    const client = createClient({ endpoint: "${server.endpoint}", transport: "BODY", events: true });
    client.session.start();
    await client.login({ email: "ana@example.com", password: "x" });
    await new Promise((resolve) => setTimeout(resolve, 300));
    client.session.dispose();
  `;
  const args = ["--experimental-websocket", "--no-warnings", "--input-type=module", "-e", script];
  const cwd = new URL("..", import.meta.url);
  await promisify(execFile)(process.execPath, args, { cwd, timeout: 10_000 });
  expect(streams.all).toHaveLength(1);
});

// The end of the session.

test("ENDED signs out at once, says why and costs no request", async () => {
  const client = await listen();
  const requests = server.calls.length;
  streams.end("SESSION_REVOKED");
  await until("it is signed out", () => client.session.state.status === "signed-out");
  expect(client.session.state).toMatchObject({ user: null, reason: "SESSION_REVOKED" });
  expect(await client.session.token()).toBeNull();
  await sleep(1_200);
  expect(server.calls).toHaveLength(requests);
  expect(streams.attempts).toBe(1);
});

test("the close code ends the session too, should the event be lost", async () => {
  const client = await listen();
  streams.close(4410, "ENDED_BY_ADMINISTRATOR");
  await until("it is signed out", () => client.session.state.status === "signed-out");
  expect(client.session.state.reason).toBe("ENDED_BY_ADMINISTRATOR");
  expect(server.count("Refresh")).toBe(0);
});

test("every tab learns of the end, also one without a stream", async () => {
  const tabs = [await listen(), await listenToo()];
  streams.refuses = true;
  const deaf = openTab();
  tabs.push(deaf);
  await until("its stream was refused", () => streams.attempts === 3);
  expect(deaf.session.state.status).toBe("live");
  const requests = server.calls.length;
  streams.end("PASSWORD_CHANGED");
  await until("all are signed out", () =>
    tabs.every(({ session }) => session.state.reason === "PASSWORD_CHANGED"),
  );
  expect(server.calls).toHaveLength(requests);
});

test("a sign-out is told to the other tabs before the server", async () => {
  const [tab, other] = [await listen(), await listenToo()];
  server.on("Logout", (_, response) => response.destroy());
  await tab.logout();
  await until("the other knows", () => other.session.state.status === "signed-out");
  expect(tab.session.state.reason).toBeNull();
  expect(other.session.state).toMatchObject({ user: null, reason: "LOGGED_OUT" });
  expect(page.storage.get("countersign:default:session")).toBe("out");
});

test("word of another session's end changes nothing, and nor does nonsense", async () => {
  const tab = await listen();
  const channel = new BroadcastChannel("countersign:default");
  for (const message of [
    null,
    {},
    { type: "ended", sessionId: "session-0", reason: "X" },
    { type: "ended", sessionId: null },
    { type: "grant" },
    { type: "grant", grant: null },
    "hello",
  ])
    channel.postMessage(message);
  channel.close();
  await sleep(100);
  expect(tab.session.state).toMatchObject({ status: "live", sessionId: "session-1" });
});

test("a sign-in in another tab is this one's too", async () => {
  const tab = await listen();
  server.sessionId = "session-2";
  await openTab({ events: false }).login(ana);
  await until("it has followed", () => tab.session.state.sessionId === "session-2");
  expect(server.count("Refresh")).toBe(0);
  expect(page.storage.get("countersign:default:session")).toBe("session-2");
});

test("a sign-in in place of another never looks signed out", async () => {
  const client = await listen();
  const seen: string[] = [];
  client.session.on(({ status, sessionId }) => seen.push(`${status} ${sessionId}`));
  server.once("Login", (_, response) => {
    server.sessionId = "session-2";
    server.generation += 1;
    streams.end("SESSION_REPLACED");
    setTimeout(() => json(response, { data: { auth: server.grant() } }), 100);
  });
  await client.login(ana);
  await until("the new stream stands", () =>
    streams.open.some(({ token }) => token === "access-2"),
  );
  expect(seen).toEqual(["live session-2"]);
});

test("a stream of the session before touches nothing of the next", async () => {
  const client = await listen();
  const [old] = streams.open;
  server.sessionId = "session-2";
  await client.login(ana);
  await until("the old stream is closed", () => old?.socket.readyState === 3);
  await until("the new one stands", () => streams.open[0]?.token === "access-2");
  await client.logout();
  await until("it is closed too", () => streams.open.length === 0);
  expect(client.session.state.reason).toBeNull();
});

// Changes.

test("CHANGED renews silently, and the user just has the new role", async () => {
  const client = await listen();
  const seen = new Set<string>();
  client.session.on(({ status }) => seen.add(status));
  server.role = "ADMIN";
  streams.push("CHANGED", "ROLE_CHANGED");
  await until("the role is there", () => client.session.state.user?.role === "ADMIN");
  expect([...seen]).toEqual(["refreshing", "live"]);
  expect(server.count("Refresh")).toBe(1);
  expect(streams.attempts).toBe(1);
});

test("many changes in a row cost one renewal, and at most one after it", async () => {
  const client = await listen();
  server.once("Refresh", (call, response) => {
    server.rotate(call.variables.attempt);
    const before = server.grant();
    server.role = "MANAGER";
    for (let times = 0; times < 10; times += 1) streams.push("CHANGED", "ROLE_CHANGED");
    setTimeout(() => json(response, { data: { auth: before } }), 100);
  });
  for (let times = 0; times < 10; times += 1) streams.push("CHANGED", "ROLE_CHANGED");
  await until("the role is there", () => client.session.state.user?.role === "MANAGER");
  await sleep(100);
  expect(server.count("Refresh")).toBe(2);
});

test("a change that cannot be renewed now is made up for", async () => {
  const client = await listen();
  server.role = "MANAGER";
  server.once("Refresh", (_, response) => response.destroy());
  streams.push("CHANGED", "TOKEN_STALE");
  await until("the role is there", () => client.session.state.user?.role === "MANAGER");
  expect(client.session.state.status).toBe("live");
});

test("a change that finds the session ended ends it", async () => {
  const client = await listen();
  server.sessionEnded = "SESSION_ENDED";
  streams.push("CHANGED", "TOKEN_STALE");
  await until("it is signed out", () => client.session.state.reason === "SESSION_ENDED");
});

test("kinds and fields that servers add do no harm", async () => {
  const client = await listen();
  const { socket } = streams.open[0] ?? expect.fail("no stream");
  for (const text of ["{", "null", "[]", "7", '{"type":"next"}', '{"type":"new"}'])
    socket.send(text);
  send(socket, "next", { data: null, errors: [{ message: "lost" }] });
  streams.push("NEW_KIND", "NEW_REASON");
  await until("it has renewed", () => client.session.state.renewals === 1);
  expect(client.session.state.status).toBe("live");
  expect(streams.open).toHaveLength(1);
});

// Streams that break.

test.each(["TOKEN_EXPIRED", "TOKEN_INVALID", "TOKEN_MISSING"])(
  "a token refused as %s is replaced, and the stream opened with the new one",
  async (reason) => {
    streams.judge = (token) => (token === "access-1" ? [4403, reason] : null);
    const client = await listen();
    expect(streams.open[0]?.token).toBe("access-2");
    expect(server.count("Refresh")).toBe(1);
    expect(client.session.state.status).toBe("live");
  },
);

test("a stream that is refused whatever the token renews once and signs nobody out", async () => {
  streams.judge = () => [4403, "TOKEN_INVALID"];
  holdTimers();
  const client = openTab();
  await client.login(ana);
  await until("it was refused", () => streams.all.length === 1);
  await pass(30_000);
  expect(streams.attempts).toBeGreaterThan(3);
  expect(streams.attempts).toBeLessThan(7);
  expect(server.count("Refresh")).toBe(1);
  expect(client.session.state.status).toBe("live");
});

test("a stream refused because the session has ended ends it by a renewal", async () => {
  streams.judge = () => [4403, "SESSION_ENDED"];
  server.sessionEnded = null;
  const client = openTab();
  server.once("Login", (_, response) => {
    server.generation += 1;
    server.sessionEnded = "SESSION_ENDED";
    json(response, { data: { auth: server.grant() } });
  });
  await client.login(ana);
  await until("it is signed out", () => client.session.state.reason === "SESSION_ENDED");
  expect(server.count("Refresh")).toBe(1);
});

test.each([
  ["the server stops", 1001, ""],
  ["the server cannot tell", 4403, "UNAVAILABLE"],
  ["there are too many", 4429, ""],
  ["an init came too late", 4408, ""],
  ["a proxy ends it", 1000, ""],
  ["the server fails", 1011, ""],
])("when %s, the stream comes back without a renewal", async (_, code, reason) => {
  const client = await listen();
  streams.close(code, reason);
  await until("it stands again", () => streams.attempts === 2 && streams.open.length === 1);
  expect(server.count("Refresh")).toBe(0);
  expect(client.session.state.status).toBe("live");
});

test("a connection that breaks comes back", async () => {
  await listen();
  for (const { socket } of streams.open) socket.terminate();
  await until("it stands again", () => streams.attempts === 2 && streams.open.length === 1);
});

test("a subscription that the server refuses is tried again later, slower and slower", async () => {
  holdTimers();
  await listen();
  const { socket } = streams.open[0] ?? expect.fail("no stream");
  send(socket, "error", [{ message: "no", extensions: { code: "GRAPHQL_VALIDATION_FAILED" } }]);
  await until("it is closed", () => streams.open.length === 0);
  await pass(2_000);
  await until("it stands again", () => streams.open.length === 1);
  expect(server.count("Refresh")).toBe(0);
});

test("where no WebSocket gets through it is tried ever more seldom, and requests work", async () => {
  streams.refuses = true;
  holdTimers();
  const client = openTab();
  await client.login(ana);
  await until("it was tried", () => streams.attempts === 1);
  await pass(70_000);
  expect(streams.attempts).toBe(7); // after 1, 2, 4, 8, 16 and 32 s
  await pass(130_000);
  expect(streams.attempts).toBe(9); // once a minute
  const { token } = await client.request<{ token: string }>("query Q { token }");
  expect(token).toMatch(/^Bearer access-/);
  expect(client.session.state.user?.name).toBe("Ana");
});

test.each(["online", "pageshow", "visibilitychange"] as const)(
  "%s tries sooner, but not without pause",
  async (event) => {
    streams.refuses = true;
    holdTimers();
    await openTab().login(ana);
    await until("it was tried", () => streams.attempts === 1);
    await pass(36_000);
    expect(streams.attempts).toBe(6);
    streams.refuses = false;
    for (let times = 0; times < 20; times += 1) {
      if (event === "visibilitychange") page.hide(false);
      else page.fire(event);
    }
    await pass(1_000);
    await until("it stands", () => streams.open.length === 1);
    expect(streams.attempts).toBe(7);
  },
);

test("a stream that is never accepted is given up and tried again", async () => {
  streams.isMute = true;
  holdTimers();
  await openTab().login(ana);
  await until("it was tried", () => streams.all[0]?.received.length === 1);
  streams.isMute = false;
  await pass(17_000);
  await until("it stands", () => streams.open.length === 1);
  expect(streams.attempts).toBe(2);
});

test("pings are answered, and a silent stream is asked whether it still stands", async () => {
  holdTimers();
  await listen();
  const { socket, received } = streams.open[0] ?? expect.fail("no stream");
  send(socket, "ping");
  await until("it is answered", () => received.includes("pong"));
  await pass(61_000);
  expect(received.filter((type) => type === "ping")).toHaveLength(1);
  streams.isMute = true;
  await pass(60_000);
  expect(streams.attempts).toBe(1);
  await pass(17_000);
  streams.isMute = false;
  await pass(20_000);
  await until("it stands again", () => streams.open.some((stream) => stream.socket !== socket));
});

test("a page that is shown again asks whether its stream survived", async () => {
  holdTimers();
  await listen();
  const { received } = streams.open[0] ?? expect.fail("no stream");
  streams.isMute = true;
  page.hide(true);
  expect(received).not.toContain("ping");
  page.hide(false);
  await until("it was asked", () => received.includes("ping"));
  streams.isMute = false;
  await pass(17_000);
  await until("another stands", () => streams.attempts === 2 && streams.open.length > 0);
});

test("a page that may be kept for the way back closes its stream and opens it again", async () => {
  await listen();
  page.fire("pagehide");
  await until("it is closed", () => streams.open.length === 0);
  page.fire("pageshow");
  await until("it stands again", () => streams.open.length === 1);
  expect(streams.attempts).toBe(2);
});

test("a stream is opened with a good token, however long ago the page was signed in", async () => {
  const client = await listen();
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 61_000 });
  streams.close(1001);
  await until("it stands again", () => streams.open.length === 1 && streams.attempts === 2);
  expect(streams.open[0]?.token).toBe("access-2");
  expect(client.session.state.renewals).toBe(1);
});

test("while the server cannot be asked for a token, no stream is tried", async () => {
  const client = await listen();
  server.on("Refresh", (_, response) => refuse(response, "UNAVAILABLE"));
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 61_000 });
  streams.close(1001);
  await until("a token was asked for", () => server.count("Refresh") > 0);
  await until("it is stale", () => client.session.state.status === "stale");
  expect(streams.attempts).toBe(1);
  server.on("Refresh", null);
  page.fire("online");
  await until("it stands again", () => streams.open.length === 1);
  expect(client.session.state.status).toBe("live");
});

// Subscriptions over graphql-ws, in both libraries, against the real server.

import { type Client, createClient } from "@countersign/client";
import { subscriptionOptions } from "@countersign/client/graphql-ws";
import { createClient as createSockets } from "graphql-ws";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { libraries } from "./support/libraries.js";
import { RealServer } from "./support/real-server.js";
import { sleep, until } from "./support/wait.js";

const password = "seven unrelated lanterns drift";
const root = { email: "root@example.com", password };
const EVENTS = "subscription { sessionEvents { kind reason } }";

let server: RealServer;
let people = 0;
const ends: (() => unknown)[] = [];

function connect(options: Partial<Parameters<typeof createClient>[0]> = {}): Client {
  const client = createClient({ endpoint: server.endpoint, transport: "BODY", ...options });
  ends.push(() => client.session.dispose());
  return client;
}

/** Somebody with a subscription, and what became of it. */
async function listen(name: keyof typeof libraries) {
  people += 1;
  const email = `ana${people}@example.com`;
  const client = connect();
  const { id } = await client.register({ email, password, name: "Ana" });
  const { session } = client;
  const heard: unknown[] = [];
  const ended: unknown[] = [];
  /** The tokens that connections were opened with, and how many were accepted. */
  const tokens: unknown[] = [];
  let accepted = 0;
  class WatchedSocket extends WebSocket {
    override send(data: string): void {
      const { type, payload } = JSON.parse(data);
      if (type === "connection_init") tokens.push(payload.token);
      super.send(data);
    }
  }
  const sockets = createSockets({
    url: `${server.endpoint.replace("http", "ws")}/ws`,
    webSocketImpl: WatchedSocket,
    on: {
      connected: () => {
        accepted += 1;
      },
    },
    ...subscriptionOptions(session),
  });
  ends.push(() => sockets.dispose());
  const { endpoint } = server;
  const library = libraries[name]({ session, endpoint, fetch, sockets });
  library.listen(
    EVENTS,
    (data) => heard.push(data),
    (error) => ended.push(error),
  );
  await until("it is connected", () => accepted === 1);
  return { id, email, client, session, heard, ended, tokens, accepted: () => accepted };
}

/** Gives a user another role, which is an event. */
async function promote(userId: string): Promise<void> {
  const administrator = connect();
  await administrator.login(root);
  await administrator.request(
    "mutation ($userId: ID!) { setRole(userId: $userId, role: MANAGER) { id } }",
    { userId },
  );
}

beforeAll(async () => {
  server = await RealServer.start();
  await server.createUser(root.email, root.password, "ADMIN");
}, 60_000);

afterEach(() => {
  for (const end of ends.splice(0)) end();
});

afterAll(() => server?.stop());

describe.each(Object.keys(libraries) as (keyof typeof libraries)[])("%s", (name) => {
  test("after a crash of the server and the token's end, it goes on with a new token", async () => {
    const { id, session, heard, ended, tokens, accepted } = await listen(name);
    const first = await session.token();
    await server.crash();
    await sleep(4_100);
    await server.restart();
    await until("it is connected again", () => accepted() === 2, 15_000);
    expect(tokens).toEqual([first, await session.token()]);
    expect(tokens[1]).not.toBe(first);
    await promote(id);
    await until("the event is there", () => heard.length > 0);
    expect(heard).toMatchObject([{ sessionEvents: { kind: "CHANGED", reason: "ROLE_CHANGED" } }]);
    expect(ended).toEqual([]);
  });

  test("a token that looks good and is refused is renewed once", async () => {
    const { session, ended, tokens, accepted } = await listen(name);
    await session.token({ force: true });
    const { kid } = JSON.parse(atob(((await session.token()) ?? "").split(".")[0] ?? ""));
    await server.crash();
    await server.command(["keys", "rotate"]);
    await server.command(["keys", "retire", "--", kid]);
    await server.restart();
    await until("it is connected again", () => accepted() === 2, 15_000);
    expect(tokens.length).toBe(3);
    expect(tokens[2]).not.toBe(tokens[1]);
    expect(ended).toEqual([]);
  });

  test("the end of the session ends it", async () => {
    const { email, session, heard, ended, tokens } = await listen(name);
    const other = connect();
    await other.login({ email, password });
    await other.request("mutation ($id: ID!) { revokeSession(id: $id) }", {
      id: session.state.sessionId,
    });
    await until("it has ended", () => ended.length > 0);
    expect(heard).toMatchObject([{ sessionEvents: { kind: "ENDED", reason: "SESSION_REVOKED" } }]);
    await sleep(1_500);
    expect(tokens).toHaveLength(1);
  });
});

test("it waits for a session that cannot be told of yet, and gives up when nobody is signed in", async () => {
  let isOffline = true;
  const client = connect({
    refreshTokenStore: { get: () => "v1.unknown", set: () => {} },
    fetch: async (input, init) => {
      if (isOffline) throw new TypeError("no network");
      return fetch(input, init);
    },
  });
  const problems: unknown[] = [];
  const sockets = createSockets({
    url: `${server.endpoint.replace("http", "ws")}/ws`,
    ...subscriptionOptions(client.session),
    on: { error: (error) => problems.push(error) },
  });
  ends.push(() => sockets.dispose());
  const over = new Promise((resolve) => {
    sockets.subscribe({ query: EVENTS }, { next() {}, error: resolve, complete() {} });
  });
  await until("it has tried", () => problems.length > 0);
  expect(problems[0]).toMatchObject({ name: "CountersignError", retriable: true });
  isOffline = false;
  expect(await over).toMatchObject({ code: 4403, reason: "TOKEN_MISSING" });
});

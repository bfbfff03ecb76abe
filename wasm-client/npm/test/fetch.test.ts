import { type Client, createClient } from "@countersign/client";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { FakeServer, json, refuse } from "./support/fake-server.js";

const ana = { email: "ana@example.com", password: "correct horse battery" };

let server: FakeServer;
let client: Client;

beforeEach(async () => {
  server = await FakeServer.start();
  client = createClient({ endpoint: server.endpoint, transport: "BODY" });
  await client.login(ana);
});

afterEach(async () => {
  vi.useRealTimers();
  await server.stop();
});

test("a request carries the token", async () => {
  const answer = await client.request<{ token: string }>("query Q { token }");
  expect(answer.token).toBe("Bearer access-1");
});

test("a request sends its variables and operation name", async () => {
  await client.request("query A { a } query B { b }", { x: 1 }, { operationName: "B" });
  const { body, headers } = server.last("A");
  expect(JSON.parse(body)).toMatchObject({ variables: { x: 1 }, operationName: "B" });
  expect(headers["content-type"]).toBe("application/json");
  expect(headers.accept).toContain("application/graphql-response+json");
});

test("a request throws the answer's first error", async () => {
  server.once("Q", (_, response) => refuse(response, "FORBIDDEN", "ROLE_REQUIRED"));
  await expect(client.request("query Q { users }")).rejects.toMatchObject({
    name: "CountersignError",
    code: "FORBIDDEN",
    reason: "ROLE_REQUIRED",
    retriable: false,
  });
  expect(server.count("Refresh")).toBe(0);
});

test("a request that is aborted throws the signal's reason", async () => {
  const reason = new Error("left");
  const leaving = new AbortController();
  server.once("Q", () => leaving.abort(reason));
  await expect(client.request("query Q { a }", {}, { signal: leaving.signal })).rejects.toBe(
    reason,
  );
});

test.each(["TOKEN_EXPIRED", "TOKEN_STALE", "TOKEN_MISSING", "TOKEN_INVALID"])(
  "%s is answered with a new token and the same body, once",
  async (reason) => {
    server.once("Q", (_, response) => refuse(response, "UNAUTHENTICATED", reason));
    const answer = await client.request<{ token: string }>("query Q($x: Int) { token }", { x: 7 });
    expect(answer.token).toBe("Bearer access-2");
    const bodies = server.calls.filter((call) => call.operation === "Q").map((call) => call.body);
    expect(bodies).toHaveLength(2);
    expect(bodies[0]).toBe(bodies[1]);
  },
);

test("a request is not repeated for ever", async () => {
  server.on("Q", (_, response) => refuse(response, "UNAUTHENTICATED", "TOKEN_STALE"));
  await expect(client.request("query Q { a }")).rejects.toMatchObject({ reason: "TOKEN_STALE" });
  expect(server.count("Q")).toBe(2);
  expect(server.count("Refresh")).toBe(1);
});

test("many refused requests share one refresh", async () => {
  server.on("Q", (call, response) => {
    if (call.headers.authorization !== "Bearer access-1") return false;
    return refuse(response, "UNAUTHENTICATED", "TOKEN_EXPIRED");
  });
  const answers = await Promise.all(
    Array.from({ length: 10 }, () => client.request<{ token: string }>("query Q { token }")),
  );
  expect(new Set(answers.map(({ token }) => token))).toEqual(new Set(["Bearer access-2"]));
  expect(server.count("Refresh")).toBe(1);
});

test("a refused request whose session has ended gets the server's answer", async () => {
  server.once("Q", (_, response) => refuse(response, "UNAUTHENTICATED", "TOKEN_STALE"));
  server.sessionEnded = "SESSION_ENDED";
  await expect(client.request("query Q { a }")).rejects.toMatchObject({ reason: "TOKEN_STALE" });
  expect(client.session.state).toMatchObject({ status: "signed-out", reason: "SESSION_ENDED" });
});

test("a request that learns of the session's end ends it here, with the reason", async () => {
  server.once("Q", (_, response) => refuse(response, "UNAUTHENTICATED", "SESSION_ENDED"));
  server.sessionEnded = "SESSION_ENDED";
  await expect(client.request("query Q { a }")).rejects.toMatchObject({ reason: "SESSION_ENDED" });
  expect(client.session.state).toMatchObject({
    status: "signed-out",
    user: null,
    reason: "SESSION_ENDED",
  });
  expect(server.count("Q")).toBe(1);
  expect(server.count("Refresh")).toBe(1);
});

test("the session's end is told even when the refresh that confirms it fails", async () => {
  server.once("Q", (_, response) => refuse(response, "UNAUTHENTICATED", "SESSION_ENDED"));
  server.on("Refresh", (_, response) => response.destroy());
  await expect(client.request("query Q { a }")).rejects.toMatchObject({ reason: "SESSION_ENDED" });
  expect(server.count("Q")).toBe(1);
});

test("a request of which a part was executed is not repeated", async () => {
  const errors = [
    { message: "stale", extensions: { code: "UNAUTHENTICATED", reason: "TOKEN_STALE" } },
  ];
  server.on("M", (_, response) => json(response, { data: { done: true, me: null }, errors }));
  await expect(client.request("mutation M { done me }")).rejects.toMatchObject({
    reason: "TOKEN_STALE",
  });
  expect(server.count("M")).toBe(1);
  server.once("N", (_, response) => json(response, { data: { a: null, b: null }, errors }));
  await client.request("mutation N { a b }");
  expect(server.count("N")).toBe(2);
});

test("a request is not sent as somebody else than it was made by", async () => {
  server.sessionId = "session-2";
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 61_000 });
  await expect(client.request("query Q { a }")).rejects.toMatchObject({ code: "SESSION_CHANGED" });
  expect(server.count("Q")).toBe(0);
  expect(client.session.state).toMatchObject({ sessionId: "session-2", renewals: 0 });
  await client.request("query Q { a }");
  expect(server.count("Q")).toBe(1);
});

test("a refused request is not repeated as somebody else", async () => {
  server.once("Q", (_, response) => {
    server.sessionId = "session-2";
    return refuse(response, "UNAUTHENTICATED", "TOKEN_STALE");
  });
  await expect(client.request("query Q { a }")).rejects.toMatchObject({ reason: "TOKEN_STALE" });
  expect(server.count("Q")).toBe(1);
});

test("a refused request that cannot be renewed now can be tried again later", async () => {
  server.once("Q", (_, response) => refuse(response, "UNAUTHENTICATED", "TOKEN_EXPIRED"));
  server.on("Refresh", (_, response) => response.destroy());
  await expect(client.request("query Q { a }")).rejects.toMatchObject({
    code: "NETWORK",
    retriable: true,
  });
  expect(client.session.state.user).not.toBeNull();
});

test("without a session a request goes without a token", async () => {
  await client.logout();
  server.once("Q", (call, response) => {
    expect(call.headers.authorization).toBeUndefined();
    return refuse(response, "UNAUTHENTICATED", "TOKEN_MISSING");
  });
  await expect(client.request("query Q { me }")).rejects.toMatchObject({ reason: "TOKEN_MISSING" });
  expect(server.count("Q")).toBe(1);
});

test("fetch replays any body", async () => {
  server.once("/upload", (_, response) => refuse(response, "UNAUTHENTICATED", "TOKEN_EXPIRED"));
  const body = new Blob(["some bytes"]).stream();
  const init = { method: "POST", body, duplex: "half" } as RequestInit;
  const response = await client.fetch(new Request(`${server.origin}/upload`, init));
  expect(await response.json()).toEqual({ data: { token: "Bearer access-2" } });
  expect(server.calls.filter(({ path }) => path === "/upload").map(({ body }) => body)).toEqual([
    "some bytes",
    "some bytes",
  ]);
});

test("the response is handed over unread, also when it was looked into", async () => {
  server.once("/text", (_, response) =>
    json(response, { text: "UNAUTHENTICATED is only a word here" }),
  );
  const response = await client.fetch(`${server.origin}/text`);
  expect(await response.json()).toEqual({ text: "UNAUTHENTICATED is only a word here" });
  expect(server.count("Refresh")).toBe(0);
});

test("a stream of JSON is not taken for a GraphQL answer", async () => {
  const refusal = { extensions: { code: "UNAUTHENTICATED", reason: "TOKEN_STALE" } };
  server.once("/log", (_, response) =>
    response
      .writeHead(200, { "content-type": "application/json-seq" })
      .end(JSON.stringify({ errors: [refusal] })),
  );
  await client.fetch(`${server.origin}/log`);
  expect(server.calls.filter(({ path }) => path === "/log")).toHaveLength(1);
});

test("the token goes nowhere but to the endpoint's origin", async () => {
  const foreign = await FakeServer.start();
  await client.fetch(`${foreign.origin}/anything`);
  await client.fetch(`${foreign.origin}/anything`.replace("127.0.0.1", "localhost"));
  expect(foreign.calls.map(({ headers }) => headers.authorization)).toEqual([undefined, undefined]);
  await foreign.stop();
});

test("an authorization of the caller's own stays", async () => {
  const headers = { authorization: "Basic abc" };
  const response = await client.fetch(`${server.origin}/x`, { headers });
  expect(await response.json()).toEqual({ data: { token: "Basic abc" } });
});

test("an error that no GraphQL server wrote is not taken for one", async () => {
  server.once("Q", (_, response) => response.writeHead(502).end("<h1>Bad Gateway</h1>"));
  await expect(client.request("query Q { a }")).rejects.toMatchObject({ code: "UNAVAILABLE" });
  server.once("Q", (_, response) => json(response, { errors: [{ message: "old server" }] }, 400));
  await expect(client.request("query Q { a }")).rejects.toMatchObject({
    code: "INTERNAL_SERVER_ERROR",
    message: "old server",
  });
});

test("a request of the app's takes no cookie to another origin; what sets or clears it does", async () => {
  const sent: [string, RequestCredentials | undefined][] = [];
  const page = createClient({
    endpoint: server.endpoint,
    fetch: async (input, init) => {
      const request = new Request(input, init);
      const [, operation = ""] =
        /(?:mutation|query) (\w+)/.exec(await request.clone().text()) ?? [];
      sent.push([operation, request.credentials]);
      return fetch(request);
    },
  });
  await page.login(ana);
  await page.request("query Q { token }");
  await page.session.token({ force: true });
  await page.reauthenticate(ana.password);
  await page.logout();
  expect(sent).toEqual([
    ["Login", "include"],
    ["Q", "same-origin"],
    ["Refresh", "include"],
    ["Reauthenticate", "include"],
    ["Logout", "include"],
  ]);
});

// Sessions that end and users that change elsewhere, with the real server and tokens that live long.

import { type Client, type ClientOptions, createClient } from "@countersign/client";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { RealServer } from "./support/real-server.js";
import { sleep, until } from "./support/wait.js";

const password = "seven unrelated lanterns drift";
const another = "eleven quiet harbours wander";
const root = { email: "root@example.com", password };
const ME = "{ me { email role } }";

let server: RealServer;
let people = 0;
/** How many streams the server has accepted during the test. */
let accepted = 0;
const clients: Client[] = [];

/** The platform's WebSocket, watched. */
class CountedSocket extends WebSocket {
  constructor(url: string | URL, protocols?: string) {
    super(url, protocols);
    this.addEventListener("message", ({ data }) => {
      if (data.includes("connection_ack")) accepted += 1;
    });
  }
}

/** A started client; `events` says whether it has a stream. */
function connect(options: Partial<ClientOptions>): Client {
  const client = createClient({ endpoint: server.endpoint, transport: "BODY", ...options });
  clients.push(client);
  client.session.start();
  return client;
}

/** Somebody new, signed in on so many devices. */
async function newcomer(devices: number, options: Partial<ClientOptions> = { events: false }) {
  people += 1;
  const email = `ana${people}@example.com`;
  const [first, ...others] = Array.from({ length: devices }, () => connect(options));
  const user = await first?.register({ email, password, name: "Ana" });
  for (const other of others) await other.login({ email, password });
  return { email, id: user?.id ?? "", devices: [first, ...others] as Client[] };
}

async function administrator(): Promise<Client> {
  const client = connect({ events: false });
  await client.login(root);
  return client;
}

/** Why a bare request with `token` is refused; undefined when it is not. */
async function refusal(token: string | null): Promise<string | undefined> {
  const response = await fetch(server.endpoint, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    body: JSON.stringify({ query: ME }),
  });
  const { errors } = (await response.json()) as {
    errors?: { extensions: { reason?: string } }[];
  };
  return errors?.[0]?.extensions.reason;
}

const revoke = (by: Client, { session }: Client) =>
  by.request("mutation Revoke($id: ID!) { revokeSession(id: $id) }", {
    id: session.state.sessionId,
  });

const setRole = (by: Client, userId: string, role: string) =>
  by.request(
    "mutation Role($userId: ID!, $role: Role!) { setRole(userId: $userId, role: $role) { role } }",
    {
      userId,
      role,
    },
  );

beforeAll(async () => {
  server = await RealServer.start({ COUNTERSIGN_TOKENS__ACCESS_TTL: "15m" });
  await server.createUser(root.email, root.password, "ADMIN");
}, 60_000);

beforeEach(() => {
  accepted = 0;
  vi.stubGlobal("WebSocket", CountedSocket);
});

afterEach(() => {
  for (const client of clients.splice(0)) client.session.dispose();
});

afterAll(() => server?.stop());

// Without a stream: found out at the next request.

test("the token of an ended session is refused on the very next request", async () => {
  const { devices } = await newcomer(2);
  const [one, other] = devices as [Client, Client];
  const token = await other.session.token();
  expect(await refusal(token)).toBeUndefined();
  await revoke(one, other);
  expect(await refusal(token)).toBe("SESSION_ENDED");
  await expect(other.request(ME)).rejects.toMatchObject({ reason: "SESSION_ENDED" });
  expect(other.session.state).toMatchObject({ status: "signed-out", reason: "SESSION_ENDED" });
  expect(await refusal(await one.session.token())).toBeUndefined();
});

test("a changed role is there at the next request, for many at once with one renewal", async () => {
  const { id, devices } = await newcomer(1);
  const [client] = devices as [Client];
  const token = await client.session.token();
  await setRole(await administrator(), id, "MANAGER");
  expect(await refusal(token)).toBe("TOKEN_STALE");
  const answers = await Promise.all(
    Array.from({ length: 10 }, () => client.request<{ me: { role: string } }>(ME)),
  );
  expect(new Set(answers.map(({ me }) => me.role))).toEqual(new Set(["MANAGER"]));
  expect(client.session.state).toMatchObject({ status: "live", renewals: 1 });
  expect(client.session.state.user?.role).toBe("MANAGER");
});

test("a change of the password ends the other sessions and keeps this one", async () => {
  const { email, devices } = await newcomer(2);
  const [client, other] = devices as [Client, Client];
  const wrong = { currentPassword: "not it at all", newPassword: another };
  await expect(client.changePassword(wrong)).rejects.toMatchObject({ reason: "BAD_CREDENTIALS" });
  const weak = { currentPassword: password, newPassword: "short" };
  await expect(client.changePassword(weak)).rejects.toMatchObject({
    reason: "PASSWORD_TOO_SHORT",
    field: "newPassword",
  });
  const before = await client.session.token();
  await client.changePassword({ currentPassword: password, newPassword: another });
  expect(await client.session.token()).not.toBe(before);
  await client.request(ME);
  await client.session.token({ force: true });
  await client.request(ME);
  expect(client.session.state.status).toBe("live");
  await expect(other.request(ME)).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
  expect(other.session.state).toMatchObject({ status: "signed-out" });
  await other.login({ email, password: another });
});

test("reauthenticate proves the password again, and the session goes on", async () => {
  const { email, devices } = await newcomer(1);
  const [client] = devices as [Client];
  await expect(client.reauthenticate("not it at all")).rejects.toMatchObject({
    reason: "BAD_CREDENTIALS",
  });
  expect((await client.reauthenticate(password)).email).toBe(email);
  await client.session.token({ force: true });
  await client.request(ME);
});

test("logoutEverywhere ends every session and says how many", async () => {
  const { devices } = await newcomer(3);
  const [client, ...others] = devices as [Client, ...Client[]];
  expect(await client.logoutEverywhere()).toBe(3);
  expect(client.session.state.reason).toBe("LOGGED_OUT_EVERYWHERE");
  for (const other of others) {
    await expect(other.request(ME)).rejects.toMatchObject({ reason: "SESSION_ENDED" });
    expect(other.session.state.status).toBe("signed-out");
  }
});

test("deleteAccount needs the password, and then nobody can sign in", async () => {
  const { email, devices } = await newcomer(1);
  const [client] = devices as [Client];
  await expect(client.deleteAccount("not it at all")).rejects.toMatchObject({
    reason: "BAD_CREDENTIALS",
  });
  await client.deleteAccount(password);
  expect(client.session.state).toMatchObject({ status: "signed-out", reason: "ACCOUNT_DELETED" });
  await expect(client.login({ email, password })).rejects.toMatchObject({
    reason: "BAD_CREDENTIALS",
  });
});

test("an administrator's mistakes are refused with a reason", async () => {
  const client = await administrator();
  const { user } = client.session.state;
  await expect(setRole(client, user?.id ?? "", "USER")).rejects.toMatchObject({
    code: "FORBIDDEN",
    reason: "OWN_ACCOUNT",
  });
  await expect(client.deleteAccount(password)).rejects.toMatchObject({
    reason: "LAST_ADMINISTRATOR",
  });
  await expect(
    setRole(client, "00000000-0000-7000-8000-000000000000", "USER"),
  ).rejects.toMatchObject({ code: "NOT_FOUND" });
  expect(client.session.state.status).toBe("live");
});

// With a stream: at once, and without a request of the app's.

test("a session that is ended from another is signed out at once, with the reason", async () => {
  const { devices } = await newcomer(2, { events: true });
  const [one, other] = devices as [Client, Client];
  await until("both streams stand", () => accepted === 2);
  const token = await other.session.token();
  await revoke(one, other);
  await until("it is signed out", () => other.session.state.status === "signed-out");
  expect(other.session.state).toMatchObject({ user: null, reason: "SESSION_REVOKED" });
  expect(one.session.state.status).toBe("live");
  expect(await refusal(token)).toBe("SESSION_ENDED");
});

test("a changed role is there at once, without a sign-out", async () => {
  const { id, devices } = await newcomer(1, { events: true });
  const [client] = devices as [Client];
  await until("the stream stands", () => accepted === 1);
  const statuses = new Set<string>();
  client.session.on(({ status }) => statuses.add(status));
  await setRole(await administrator(), id, "MANAGER");
  await until("the role is there", () => client.session.state.user?.role === "MANAGER");
  expect([...statuses].sort()).toEqual(["live", "refreshing"]);
  expect(client.session.state.renewals).toBe(1);
});

test("a new password signs the other devices out and costs this one no renewal", async () => {
  const { devices } = await newcomer(3, { events: true });
  const [client, ...others] = devices as [Client, ...Client[]];
  await until("the streams stand", () => accepted === 3);
  await client.changePassword({ currentPassword: password, newPassword: another });
  for (const { session } of others)
    await until("it is signed out", () => session.state.reason === "PASSWORD_CHANGED");
  await sleep(200);
  expect(client.session.state).toMatchObject({ status: "live", renewals: 0 });
});

test.each([
  ["LOGGED_OUT_EVERYWHERE", (client: Client) => client.logoutEverywhere()],
  ["ACCOUNT_DELETED", (client: Client) => client.deleteAccount(password)],
] as const)("%s reaches every device", async (reason, act) => {
  const { devices } = await newcomer(2, { events: true });
  await until("the streams stand", () => accepted === 2);
  await act(devices[0] as Client);
  for (const { session } of devices)
    await until("it is signed out", () => session.state.reason === reason);
});

test.each([
  ["ENDED_BY_ADMINISTRATOR", "endSessions(userId: $userId)"],
  ["ACCOUNT_DISABLED", "setDisabled(userId: $userId, disabled: true) { id }"],
  ["ACCOUNT_DELETED", "deleteUser(userId: $userId)"],
])("an administrator's act arrives as %s", async (reason, act) => {
  const { id, devices } = await newcomer(1, { events: true });
  const [client] = devices as [Client];
  await until("the stream stands", () => accepted === 1);
  const root = await administrator();
  await root.request(`mutation Act($userId: ID!) { ${act} }`, { userId: id });
  await until("it is signed out", () => client.session.state.reason === reason);
});

test("a stolen refresh token ends the session at once", async () => {
  let stolen: string | null = null;
  const { devices } = await newcomer(1, {
    events: true,
    refreshTokenStore: {
      get: () => null,
      set: (token) => {
        stolen ??= token;
      },
    },
  });
  const [client] = devices as [Client];
  await until("the stream stands", () => accepted === 1);
  for (let times = 0; times < 4; times += 1) await client.session.token({ force: true });
  const get = () => stolen;
  const thief = connect({ events: false, refreshTokenStore: { get, set: () => {} } });
  expect(await thief.session.token()).toBeNull();
  await until("it is signed out", () => client.session.state.reason === "REFRESH_REUSED");
});

test("a stream outlives a crash of the server, and says what was missed", async () => {
  const { id, devices } = await newcomer(1, { events: true });
  const [client] = devices as [Client];
  await until("the stream stands", () => accepted === 1);
  await server.crash();
  await server.restart();
  await setRole(await administrator(), id, "MANAGER");
  await until("the role is there", () => client.session.state.user?.role === "MANAGER");
  expect(accepted).toBeGreaterThan(1);
});

// The adapters in the real libraries against the real server.

import { type Client, type ClientOptions, createClient } from "@countersign/client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Library, libraries } from "./support/libraries.js";
import { RealServer } from "./support/real-server.js";
import { sleep, until } from "./support/wait.js";

const password = "seven unrelated lanterns drift";
const another = "eleven quiet harbours wander";
const ME = "query Watched { me { role } }";
const RENAME = 'mutation { updateProfile(input: { name: "Zoe" }) { name } }';
const root = { email: "root@example.com", password };

/** Whose tokens live for a quarter of an hour, and whose for four seconds. */
let server: RealServer;
let hasty: RealServer;
let people = 0;
const clients: Client[] = [];

/** One request as it was sent. */
interface Sent {
  body: string;
  authorization: string | null;
}

/** How a page reaches which server. */
interface Visit {
  at: RealServer;
  transport: "BODY" | "COOKIE";
  send: typeof fetch;
}

/** Somebody who is signed in in a page, with all that the page sends. */
class Page {
  readonly sent: Sent[] = [];
  readonly client: Client;
  readonly session: Client["session"];
  readonly library: Library;
  /** What a request waits for before it is sent, and what happens to its answer. */
  before: (body: string) => Promise<void> = async () => {};
  after: (body: string) => Promise<void> = async () => {};
  email = "";
  readonly #send: typeof fetch;
  #refreshToken: string | null = null;

  constructor(
    name: keyof typeof libraries,
    { at = server, transport = "BODY", send = fetch }: Partial<Visit> = {},
  ) {
    this.#send = send;
    const set = (token: string | null) => {
      this.#refreshToken = token;
    };
    const refreshTokenStore = { get: () => null, set };
    this.client = connect({ at, transport, fetch: this.fetch, refreshTokenStore });
    this.session = this.client.session;
    const { endpoint } = at;
    this.library = libraries[name]({ session: this.session, endpoint, fetch: this.fetch });
  }

  /** The platform's, watched. */
  readonly fetch: typeof fetch = async (input, init) => {
    const request = new Request(input, init);
    const body =
      request.method === "GET" ? decodeURIComponent(request.url) : await request.clone().text();
    await this.before(body);
    this.sent.push({ body, authorization: request.headers.get("authorization") });
    const response = await this.#send(request);
    await this.after(body);
    return response;
  };

  async signUp(): Promise<this> {
    people += 1;
    this.email = `ana${people}@example.com`;
    await this.client.register({ email: this.email, password, name: "Ana" });
    return this;
  }

  /** How often the server has renewed this session: it counts in the refresh token. */
  get generation(): number {
    return Number(this.#refreshToken?.split(".")[3]);
  }

  get refreshes(): Sent[] {
    return this.with("refresh(refreshToken");
  }

  /** The requests whose text contains `part`. */
  with(part: string): Sent[] {
    return this.sent.filter(({ body }) => body.includes(part));
  }
}

function connect({ at = server, ...options }: Partial<ClientOptions & Visit> = {}): Client {
  const client = createClient({ endpoint: at.endpoint, transport: "BODY", ...options });
  clients.push(client);
  return client;
}

/** What a browser does about cookies; all requests are of the server's own page. */
function cookieJar({ origin }: RealServer): typeof fetch {
  const cookies = new Map<string, string>();
  return async (input, init) => {
    const request = new Request(input, init);
    request.headers.set("origin", origin);
    request.headers.set("cookie", [...cookies].map((pair) => pair.join("=")).join("; "));
    const response = await fetch(request);
    for (const line of response.headers.getSetCookie()) {
      const [, key = "", value = ""] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      cookies.set(key, value);
    }
    return response;
  };
}

/** What outdates the page's token: its user has another role. */
async function promote({ session }: Page): Promise<void> {
  const administrator = connect();
  await administrator.login(root);
  await administrator.request(
    "mutation ($userId: ID!) { setRole(userId: $userId, role: MANAGER) { id } }",
    { userId: session.state.user?.id },
  );
}

/** Ends the page's session from another device. */
async function revoke({ email, session }: Page): Promise<void> {
  const other = connect();
  await other.login({ email, password });
  await other.request("mutation ($id: ID!) { revokeSession(id: $id) }", {
    id: session.state.sessionId,
  });
}

/** Twenty operations that no library takes for one another. */
const twenty = (library: Library) =>
  Promise.all(
    Array.from({ length: 20 }, (_, n) => library.run(`query Watched { me${n}: me { role } }`)),
  );

/** A promise and what resolves it. */
function gate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, opened };
}

beforeAll(async () => {
  server = await RealServer.start({ COUNTERSIGN_TOKENS__ACCESS_TTL: "15m" });
  hasty = await RealServer.start({ COUNTERSIGN_TOKENS__ACCESS_TTL: "4s" });
  await server.createUser(root.email, root.password, "ADMIN");
}, 60_000);

afterAll(async () => {
  for (const { session } of clients) session.dispose();
  await server?.stop();
  await hasty?.stop();
});

describe.concurrent.each(Object.keys(libraries) as (keyof typeof libraries)[])("%s", (name) => {
  const signUp = (visit?: Partial<Visit>) => new Page(name, visit).signUp();

  test("nobody signed in: operations go without a token", async () => {
    const page = new Page(name);
    expect((await page.library.run("{ passwordPolicy { minLength } }")).data).toMatchObject({
      passwordPolicy: { minLength: 8 },
    });
    expect((await page.library.run(ME)).reasons).toEqual(["TOKEN_MISSING"]);
    expect(page.sent.map(({ authorization }) => authorization)).toEqual([null, null]);
  });

  test("twenty operations at expiry cost one refresh, and all succeed", async () => {
    const page = await signUp({ at: hasty });
    await sleep(4_100);
    const outcomes = await twenty(page.library);
    expect(outcomes.flatMap(({ reasons, failure }) => failure ?? reasons)).toEqual([]);
    expect(page.refreshes).toHaveLength(1);
    expect(page.generation).toBe(2);
    expect(page.with("Watched")).toHaveLength(20);
  });

  test("twenty operations with a token that is out of date cost one refresh, and all succeed", async () => {
    const page = await signUp();
    await promote(page);
    const outcomes = await twenty(page.library);
    for (const [n, { data }] of outcomes.entries())
      expect(data?.[`me${n}`]).toMatchObject({ role: "MANAGER" });
    expect(page.refreshes).toHaveLength(1);
    expect(page.generation).toBe(2);
    expect(page.session.state).toMatchObject({ status: "live", user: { role: "MANAGER" } });
  });

  test("a refusal that arrives when the token is renewed already costs no refresh", async () => {
    const page = await signUp();
    await promote(page);
    const held = gate();
    page.after = (body) => (body.includes("Late") ? held.opened : Promise.resolve());
    const late = page.library.run("query Late { me { role } }");
    await page.library.run(ME);
    page.after = async () => {};
    held.open();
    expect((await late).data).toMatchObject({ me: { role: "MANAGER" } });
    expect(page.refreshes).toHaveLength(1);
  });

  test("a mutation that was refused is done once", async () => {
    const page = await signUp();
    await promote(page);
    const { data } = await page.library.run(RENAME);
    expect(data).toMatchObject({ updateProfile: { name: "Zoe" } });
    expect(page.with("updateProfile")).toHaveLength(2);
    const { data: trail } = await page.library.run(
      "{ authEvents(kind: PROFILE_CHANGED) { edges { node { id } } } }",
    );
    expect(trail).toMatchObject({ authEvents: { edges: [{}] } });
  });

  test("what was done in part is not repeated", async () => {
    const page = await signUp();
    const { data, reasons } = await page.library.run(`mutation {
      changePassword(input: { currentPassword: "${password}", newPassword: "${another}" }) { sessionId }
      updateProfile(input: { name: "Zoe" }) { name }
    }`);
    expect(data).toMatchObject({ changePassword: { sessionId: page.session.state.sessionId } });
    expect(reasons).toEqual(["TOKEN_STALE"]);
    expect(page.with("changePassword")).toHaveLength(1);
    expect(page.refreshes).toHaveLength(0);
  });

  test("a session that was ended elsewhere is over here too, after one request", async () => {
    const page = await signUp();
    await revoke(page);
    expect((await page.library.run(ME)).reasons).toEqual(["SESSION_ENDED"]);
    expect(page.with("Watched")).toHaveLength(1);
    expect(page.session.state).toMatchObject({ status: "signed-out", reason: "SESSION_ENDED" });
  });

  test("the end of a session is told even where it cannot be asked for", async () => {
    const page = await signUp();
    await revoke(page);
    page.before = async (body) => {
      if (body.includes("refresh(")) throw new TypeError("no network");
    };
    expect((await page.library.run(ME)).reasons).toEqual(["SESSION_ENDED"]);
  });

  test("a refusal that has another cause than the token is handed on", async () => {
    const page = await signUp();
    expect((await page.library.run("{ users { edges { cursor } } }")).reasons).toEqual([
      "ROLE_REQUIRED",
    ]);
    expect(page.with("users")).toHaveLength(1);
    expect(page.refreshes).toHaveLength(0);
  });

  test("a network that is away fails the operation once, and signs nobody out", async () => {
    const page = await signUp();
    page.before = async () => {
      throw new TypeError("no network");
    };
    expect((await page.library.run(ME)).failure).toMatchObject({
      message: "no network",
    });
    await promote(page);
    page.before = async (body) => {
      if (body.includes("refresh(")) throw new TypeError("no network");
    };
    const { failure } = await page.library.run(ME);
    expect(failure).toMatchObject({ name: "CountersignError", code: "NETWORK", retriable: true });
    expect(page.with("Watched")).toHaveLength(1);
    expect(page.session.state.user).not.toBeNull();
  });

  test("past expiry and offline, nothing is sent", async () => {
    const page = await signUp({ at: hasty });
    page.before = async () => {
      throw new TypeError("no network");
    };
    await sleep(4_100);
    const { failure } = await page.library.run(ME);
    expect(failure).toMatchObject({ name: "CountersignError", retriable: true });
    page.before = async () => {};
    let outcome = await page.library.run(ME);
    // It is the session that tries again, in its own time.
    while (outcome.failure !== undefined) {
      await sleep(100);
      outcome = await page.library.run(ME);
    }
    expect(outcome.data).toMatchObject({
      me: { role: "USER" },
    });
    expect(page.with("Watched")).toHaveLength(1);
  });

  test("who signs out while an operation is refused has it refused", async () => {
    const page = await signUp();
    await promote(page);
    page.after = async (body) => {
      page.after = async () => {};
      if (body.includes("Watched")) await page.client.logout();
    };
    expect((await page.library.run(ME)).reasons).toEqual(["TOKEN_STALE"]);
    expect(page.with("Watched")).toHaveLength(1);
  });

  test("what was asked for as one user is never sent as another", async () => {
    const page = await signUp();
    const bert = await signUp();
    await promote(page);
    page.after = async (body) => {
      page.after = async () => {};
      if (body.includes("updateProfile")) await page.client.login({ email: bert.email, password });
    };
    expect((await page.library.run(RENAME)).failure).toMatchObject({ code: "SESSION_CHANGED" });
    expect(page.with("updateProfile")).toHaveLength(1);
  });

  test("what was asked for before another tab signed in as somebody else is not sent", async () => {
    const cookies = cookieJar(hasty);
    const page = new Page(name, { at: hasty, transport: "COOKIE", send: cookies });
    await page.signUp();
    const { email } = await signUp({ at: hasty });
    const tab = connect({ at: hasty, transport: "COOKIE", fetch: cookies });
    await tab.login({ email, password });
    await sleep(4_100);
    expect((await page.library.run(RENAME)).failure).toMatchObject({ code: "SESSION_CHANGED" });
    expect(page.with("updateProfile")).toHaveLength(0);
    expect(page.session.state.user).toMatchObject({ email });
    expect((await page.library.run(RENAME)).data).toMatchObject({ updateProfile: { name: "Zoe" } });
  });

  test("an operation that is cancelled while it waits for its token is not sent", async () => {
    const page = await signUp({ at: hasty });
    const held = gate();
    page.before = (body) => (body.includes("refresh(") ? held.opened : Promise.resolve());
    await sleep(4_100);
    const cancel = page.library.begin(ME);
    await until("it is renewing", () => page.session.state.status === "refreshing");
    cancel();
    held.open();
    await until("it has renewed", () => page.session.state.renewals === 1);
    await page.library.run("{ passwordPolicy { minLength } }");
    expect(page.with("Watched")).toHaveLength(0);
  });

  test("an operation that is cancelled while its token is renewed is not sent again", async () => {
    const page = await signUp();
    const held = gate();
    await promote(page);
    page.before = (body) => (body.includes("refresh(") ? held.opened : Promise.resolve());
    const cancel = page.library.begin(ME);
    await until("it is renewing", () => page.session.state.status === "refreshing");
    cancel();
    held.open();
    await until("it has renewed", () => page.session.state.renewals === 1);
    await page.library.run("{ passwordPolicy { minLength } }");
    expect(page.with("Watched")).toHaveLength(1);
  });

  test("an operation's own Authorization wins", async () => {
    const page = await signUp();
    const outcome = await page.library.run(ME, { Authorization: "Bearer mine" });
    expect(outcome.reasons).toEqual(["TOKEN_INVALID"]);
    expect(page.with("Watched")).toMatchObject([{ authorization: "Bearer mine" }]);
  });
});

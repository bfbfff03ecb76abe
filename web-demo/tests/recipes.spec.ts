import { test as base, chromium, expect, type Page } from "@playwright/test";
import type { app as recipe } from "./recipes/main.ts";
import { App } from "./support/recipe.ts";
import { Server } from "./support/server.ts";

// The set-ups of docs/client/recipes.md. Names under `localhost` are this machine in Chromium, and sites of their own:
// app.example.localhost and auth.example.localhost are of one site, app.localhost and auth.localhost of two.

/** The strictest policy with which an app works whose API has its origin. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "connect-src 'self'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** The same, for an app that asks `sources`, too: its own origin has the WASM core. */
const policyFor = (...sources: string[]) =>
  POLICY.replace("connect-src 'self'", ["connect-src 'self'", ...sources].join(" "));

const test = base.extend<
  {
    /** Starts a server that answers under the name `host`, and allows pages of `origin`. */
    start: (host?: string, origin?: string) => Promise<{ server: Server; api: string }>;
  },
  { app: App }
>({
  app: [
    // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the names of fixtures from the pattern.
    async ({}, use) => {
      const app = await App.build();
      await use(app);
      await app.stop();
    },
    { scope: "worker" },
  ],
  // biome-ignore lint/correctness/noEmptyPattern: as above.
  start: async ({}, use) => {
    const servers: Server[] = [];
    await use(async (host = "localhost", origin = "") => {
      const server = await Server.start({
        COUNTERSIGN_HTTP__ALLOWED_HOSTS: `localhost,${host}`,
        COUNTERSIGN_HTTP__ALLOWED_ORIGINS: origin,
      });
      servers.push(server);
      return { server, api: server.origin.replace("localhost", host) };
    });
    for (const server of servers) await server.stop();
  },
});

/** Opens the app with a client of these options. */
async function open(page: Page, origin: string, options: object): Promise<void> {
  await page.goto(`${origin}/#${encodeURIComponent(JSON.stringify(options))}`);
}

/** Signs somebody new in; what went wrong, if anything did. */
async function signIn(page: Page, server: Server): Promise<string | undefined> {
  const { email, password } = await server.createPerson();
  return page.evaluate(
    async (input) => {
      const { app } = globalThis as unknown as { app: typeof recipe };
      return app.client.login(input).then(
        () => undefined,
        ({ code, reason }) => `${code} ${reason}`,
      );
    },
    { email, password },
  );
}

/** Signs in, renews, verifies and reloads: all of it works, and leaves the page signed in. */
async function expectToStaySignedIn(page: Page, server: Server): Promise<void> {
  const streams: string[] = [];
  page.on("websocket", (socket) =>
    socket.on("framereceived", ({ payload }) => streams.push(String(payload))),
  );
  expect(await signIn(page, server)).toBeUndefined();
  expect(await page.evaluate(renew)).toBe(true);
  expect(await page.evaluate(verify, server.origin)).toBe("USER");
  await expect.poll(() => streams).toContain('{"type":"connection_ack"}');
  expect(await page.evaluate(() => document.cookie)).toBe("");
  await page.reload();
  await expect(page.locator("output")).toHaveText("live");
}

/** Renews at once, in the page; whether the token is another. */
async function renew(): Promise<boolean> {
  const { client } = (globalThis as unknown as { app: typeof recipe }).app;
  const before = await client.session.token();
  return (await client.session.token({ force: true })) !== before;
}

/** Verifies the token, in the page; the role in it, or what refused it. */
function verify(issuer: string): Promise<string> {
  const { app } = globalThis as unknown as { app: typeof recipe };
  return app.role(issuer).catch(({ code }) => code);
}

/** What the page's policy refused, from now on. */
async function violations(page: Page): Promise<string[]> {
  const seen: string[] = [];
  await page.exposeFunction("refused", (directive: string) => seen.push(directive));
  await page.addInitScript(() => {
    const { refused } = globalThis as unknown as { refused(directive: string): void };
    addEventListener("securitypolicyviolation", ({ violatedDirective }) =>
      refused(violatedDirective),
    );
  });
  return seen;
}

test("one origin, by a proxy: nothing to allow, and the strictest policy holds", async ({
  page,
  app,
  start,
}) => {
  const refused = await violations(page);
  const { server } = await start();
  const port = await app.serve(POLICY, server.origin);
  await open(page, `http://localhost:${port}`, { endpoint: "/graphql" });
  await expectToStaySignedIn(page, server);
  expect(refused).toEqual([]);
});

test("a worker asks its page for the token", async ({ page, app, start }) => {
  const { server } = await start();
  // Trusted Types would want a policy of the app's for the worker's address.
  const policy = POLICY.replace(/ require-trusted.*?none';/, " worker-src 'self';");
  const port = await app.serve(policy, server.origin);
  await open(page, `http://localhost:${port}`, { endpoint: "/graphql" });
  expect(await signIn(page, server)).toBeUndefined();
  const role = () => (globalThis as unknown as { app: typeof recipe }).app.roleInWorker();
  expect(await page.evaluate(role)).toBe("USER");
});

test("in development Vite's proxy is enough", async ({ page, app, start }) => {
  const { server } = await start();
  const port = await app.develop(server.origin);
  await open(page, `http://localhost:${port}`, { endpoint: "/graphql" });
  await expectToStaySignedIn(page, server);
});

test("two ports of localhost are one site", async ({ page, app, start }) => {
  const origin = `http://localhost:${await app.serve()}`;
  const { server, api } = await start("localhost", origin);
  await open(page, origin, { endpoint: `${api}/graphql` });
  await expectToStaySignedIn(page, server);
});

test("sub-domains of one site: the API's origin stands in connect-src, for requests and for the stream", async ({
  page,
  app,
  start,
}) => {
  const refused = await violations(page);
  const port = await app.serve(
    policyFor("http://auth.example.localhost:*", "ws://auth.example.localhost:*"),
  );
  const origin = `http://app.example.localhost:${port}`;
  const { server, api } = await start("auth.example.localhost", origin);
  await open(page, origin, { endpoint: `${api}/graphql` });
  await expectToStaySignedIn(page, server);
  expect(refused).toEqual([]);
  const cookies = await page.context().cookies();
  expect(cookies).toMatchObject(
    ["__Host-countersign-device", "__Host-countersign"].map((name) => ({
      name,
      domain: "auth.example.localhost",
      httpOnly: true,
      secure: true,
      sameSite: "Strict",
    })),
  );
});

test("where the policy forbids the stream, the session does without", async ({
  page,
  app,
  start,
}) => {
  const refused = await violations(page);
  const port = await app.serve(policyFor("http://auth.example.localhost:*"));
  const origin = `http://app.example.localhost:${port}`;
  const { server, api } = await start("auth.example.localhost", origin);
  await open(page, origin, { endpoint: `${api}/graphql` });
  expect(await signIn(page, server)).toBeUndefined();
  await expect.poll(() => refused).toContain("connect-src");
  expect(await page.evaluate(renew)).toBe(true);
  await page.reload();
  await expect(page.locator("output")).toHaveText("live");
});

test("where the policy forbids WebAssembly, the session does without, and checks say so", async ({
  page,
  app,
  start,
}) => {
  const { server } = await start();
  const port = await app.serve(POLICY.replace(" 'wasm-unsafe-eval'", ""), server.origin);
  await open(page, `http://localhost:${port}`, { endpoint: "/graphql" });
  expect(await signIn(page, server)).toBeUndefined();
  expect(await page.evaluate(verify, server.origin)).toBe("WASM_UNAVAILABLE");
  expect(await page.evaluate(renew)).toBe(true);
  await page.reload();
  await expect(page.locator("output")).toHaveText("live");
});

test("another site may not use the cookie; with BODY it stays signed in where it keeps the token", async ({
  page,
  app,
  start,
}) => {
  const origin = `http://app.localhost:${await app.serve()}`;
  const { server, api } = await start("auth.localhost", origin);
  const endpoint = `${api}/graphql`;
  await open(page, origin, { endpoint });
  expect(await signIn(page, server)).toBe("FORBIDDEN ORIGIN_REFUSED");
  await page.goto("about:blank");
  await open(page, origin, { endpoint, transport: "BODY" });
  await expectToStaySignedIn(page, server);
  expect(await page.context().cookies()).toEqual([]);
  await page.evaluate(() => sessionStorage.clear());
  await page.reload();
  await expect(page.locator("output")).toHaveText("anonymous");
});

test("a plain http address that is not localhost keeps no cookie, and BODY works there", async ({
  app,
  start,
}, info) => {
  const options = info.project.use.launchOptions;
  const args = [...(options?.args ?? []), "--host-resolver-rules=MAP app.test 127.0.0.1"];
  const browser = await chromium.launch({ ...options, args });
  const page = await browser.newPage();
  const origin = `http://app.test:${await app.serve()}`;
  const { server, api } = await start("app.test", origin);
  const endpoint = `${api}/graphql`;
  await open(page, origin, { endpoint });
  const missing = () => [isSecureContext, "locks" in navigator, "subtle" in crypto];
  expect(await page.evaluate(missing)).toEqual([false, false, false]);
  expect(await signIn(page, server)).toBeUndefined();
  expect(await page.context().cookies()).toEqual([]);
  await page.evaluate(renew);
  await expect(page.locator("output")).toHaveText("signed-out: REFRESH_MISSING");
  expect(await signIn(page, server)).toBeUndefined();
  await page.reload();
  await expect(page.locator("output")).toHaveText("anonymous");
  await page.goto("about:blank");
  await open(page, origin, { endpoint, transport: "BODY" });
  await expectToStaySignedIn(page, server);
  await browser.close();
});

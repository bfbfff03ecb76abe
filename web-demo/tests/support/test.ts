import { type BrowserContext, test as base, expect, type Page } from "@playwright/test";
import { type Person, Server, type Settings } from "./server.ts";

interface WorkerFixtures {
  settings: Settings;
  server: Server;
}

interface Guard {
  watch(context: BrowserContext): Promise<void>;
  tolerate(pattern: RegExp): void;
}

interface TestFixtures {
  guard: Guard;
  /** Says that a message of the console is part of this test; any other error fails it. */
  tolerate: (pattern: RegExp) => void;
  /** Opens a page in another browser: other cookies, another storage, the same guard. */
  another: () => Promise<Page>;
}

/**
 * Playwright's `test` with a server of its own (`server`) set by `settings`, and with a guard: a page
 * error, an unhandled rejection, an error in the console, a violation of the page's content security policy or a
 * request to any other origin fails the test in which it happens.
 */
export const test = base.extend<TestFixtures, WorkerFixtures>({
  settings: [{}, { option: true, scope: "worker" }],

  server: [
    async ({ settings }, use) => {
      const server = await Server.start(settings);
      await use(server);
      await server.stop();
    },
    { scope: "worker" },
  ],

  baseURL: async ({ server }, use) => use(server.origin),

  guard: async ({ baseURL, server }, use, info) => {
    const complaints: string[] = [];
    const tolerated: RegExp[] = [];
    await use({
      watch: (context) => listen(context, baseURL ?? server.origin, complaints),
      tolerate: (pattern) => void tolerated.push(pattern),
    });
    if (info.status !== info.expectedStatus) {
      await info.attach("server output", { body: server.output, contentType: "text/plain" });
    }
    expect(complaints.filter((line) => !tolerated.some((pattern) => pattern.test(line)))).toEqual(
      [],
    );
  },

  context: async ({ context, guard }, use) => {
    await guard.watch(context);
    await use(context);
  },

  tolerate: async ({ guard }, use) => use(guard.tolerate),

  another: async ({ browser, guard }, use) => {
    const contexts: BrowserContext[] = [];
    await use(async () => {
      const context = await browser.newContext();
      contexts.push(context);
      await guard.watch(context);
      return context.newPage();
    });
    for (const context of contexts) await context.close();
  },
});

export { expect };

/** Collects everything that must not happen in a page of ours. */
async function listen(
  context: BrowserContext,
  origin: string,
  complaints: string[],
): Promise<void> {
  context.on("weberror", (error) => complaints.push(`page error: ${error.error().stack}`));
  context.on("console", (message) => {
    const text = `console: ${message.text()} (${message.location().url})`;
    if (message.type() === "error" || /Refused to|Content Security Policy/.test(text))
      complaints.push(text);
  });
  context.on("request", (request) => {
    const url = request.url();
    if (!/^(data|blob):/.test(url) && !url.startsWith(`${origin}/`))
      complaints.push(`request to ${url}`);
  });
  await context.exposeFunction("complain", (text: string) => complaints.push(text));
  await context.addInitScript(() => {
    const { complain } = globalThis as unknown as { complain(text: string): void };
    addEventListener("securitypolicyviolation", (event) => {
      complain(
        `policy violation: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`,
      );
    });
    addEventListener("unhandledrejection", (event) =>
      complain(`unhandled rejection: ${event.reason}`),
    );
  });
}

/** Signs `person` in by the form, and waits for the page that follows. */
export async function signIn(page: Page, person: Person): Promise<void> {
  await page.goto("/sign-in");
  await page.getByLabel("E-mail").fill(person.email);
  await page.getByLabel("Password", { exact: true }).fill(person.password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Your token" })).toBeVisible();
}

/** The number of renewals that the token page shows. */
export async function renewals(page: Page): Promise<number> {
  return Number(await page.getByTestId("renewals").textContent());
}

/** The access token that the token page shows. */
export async function tokenOf(page: Page): Promise<string> {
  return (await page.getByTestId("token").textContent()) ?? "";
}

/** Leaves a mark in the window, which a reload would wipe off; returns whether it is still there. */
export async function markWindow(page: Page): Promise<() => Promise<boolean>> {
  await page.evaluate(() => Object.assign(globalThis, { isMarked: true }));
  return () => page.evaluate(() => "isMarked" in globalThis);
}

/** When `text` first stands in the page, from now on, by a clock inside of it (Unix, milliseconds). */
export function whenSaid(page: Page, text: string): Promise<number> {
  return page.evaluate(
    (expected) =>
      new Promise<number>((resolve) => {
        const look = () => document.body.textContent.includes(expected) && resolve(Date.now());
        const options = { childList: true, subtree: true, characterData: true };
        new MutationObserver(look).observe(document.body, options);
        look();
      }),
    text,
  );
}

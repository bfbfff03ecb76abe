import { type BrowserContext, test as base, expect, type Page } from "@playwright/test";
import { type Person, Server, type Settings } from "./server.ts";

interface WorkerFixtures {
  settings: Settings;
  server: Server;
}

interface TestFixtures {
  /** Says that a message of the console is part of this test; any other error fails it. */
  tolerate: (pattern: RegExp) => void;
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

  tolerate: [
    async ({ context, server }, use, info) => {
      const tolerated: RegExp[] = [];
      const complaints = await listen(context, server.origin);
      await use((pattern) => tolerated.push(pattern));
      if (info.status !== info.expectedStatus) {
        await info.attach("server output", { body: server.output, contentType: "text/plain" });
      }
      expect(complaints.filter((line) => !tolerated.some((pattern) => pattern.test(line)))).toEqual(
        [],
      );
    },
    { auto: true },
  ],
});

export { expect };

/** Collects everything that must not happen in a page of ours. */
async function listen(context: BrowserContext, origin: string): Promise<string[]> {
  const complaints: string[] = [];
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
  return complaints;
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

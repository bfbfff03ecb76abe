import type { SessionState, TokenOptions } from "@countersign/client";
import type { BrowserContext, CDPSession, Page } from "@playwright/test";
import type { Outcome } from "../client/page/page.ts";
import { CLIENT_PAGE } from "./build-page.ts";
import { Chromium } from "./chromium.ts";
import { type Person, Server } from "./server.ts";
import { test as base, expect } from "./test.ts";
import { Wire } from "./wire.ts";

export { expect };

/** The clocks of a page, as the init script makes them. */
interface Clocks {
  clocks: { step(ms: number): void; pass(ms: number): void };
}

/** A tab with the client's page in it. */
export class Tab {
  readonly page: Page;
  #devTools: Promise<CDPSession> | undefined;

  constructor(page: Page) {
    this.page = page;
  }

  state(): Promise<SessionState> {
    return this.page.evaluate(() => window.harness.client.session.state);
  }

  /** Every state since the page was loaded. */
  log(): Promise<SessionState[]> {
    return this.page.evaluate(() => window.harness.log);
  }

  async signIn({ email, password }: Person): Promise<void> {
    const outcome = await this.page.evaluate((person) => window.harness.signIn(person), {
      email,
      password,
    });
    expect(outcome).toEqual({ value: email });
  }

  signOut(): Promise<void> {
    return this.page.evaluate(() => window.harness.client.session.signOut());
  }

  /** The token, or the error in its place. */
  token(options: TokenOptions = {}): Promise<Outcome<string | null>> {
    return this.page.evaluate((how) => window.harness.token(how), options);
  }

  /** Renews the token though it is good. */
  renew(): Promise<Outcome<string | null>> {
    return this.token({ force: true });
  }

  me(): Promise<Outcome<string>> {
    return this.page.evaluate(() => window.harness.me());
  }

  verify(): Promise<Outcome<string>> {
    return this.page.evaluate(() => window.harness.verify());
  }

  /** Sets this page's clock, as its user does: the time that has passed is not what the clock says. */
  async stepClock(ms: number): Promise<void> {
    await this.page.evaluate((by) => (window as unknown as Clocks).clocks.step(by), ms);
  }

  /** Has so much time pass in this page, on all of its clocks. Timers do not run meanwhile, as in a sleep. */
  async passTime(ms: number): Promise<void> {
    await this.page.evaluate((by) => (window as unknown as Clocks).clocks.pass(by), ms);
  }

  /** Looks at the page, which a session takes for an occasion to look at the clock. */
  async wake(): Promise<void> {
    await this.page.evaluate(() => void dispatchEvent(new Event("focus")));
  }

  /** Comes to the front; the tab that was there is hidden. */
  async show(): Promise<void> {
    await this.page.bringToFront();
  }

  /** Stops the page's scripts and timers, as the browser does with tabs in the background. */
  async freeze(): Promise<void> {
    await this.#setLifecycle("frozen");
  }

  async thaw(): Promise<void> {
    await this.#setLifecycle("active");
  }

  async #setLifecycle(state: "frozen" | "active"): Promise<void> {
    this.#devTools ??= this.page.context().newCDPSession(this.page);
    await (await this.#devTools).send("Page.setWebLifecycleState", { state });
  }
}

interface WorkerFixtures {
  wire: Wire;
  ana: Person;
  bob: Person;
}

interface TestFixtures {
  /** By how much the browser's clock is wrong from the start, in milliseconds. */
  clockAhead: number;
  /** Opens a tab in front of the others, with `query` in its address. */
  open: (query?: string) => Promise<Tab>;
  /** Opens so many tabs at once, one in front and the others hidden. */
  openAll: (count: number) => Promise<Tab[]>;
  /** Opens a window of its own, which is visible beside the others. */
  openWindow: () => Promise<Tab>;
}

/** The tests' `test`, with the client's page behind a wire that counts. */
export const test = base.extend<TestFixtures, WorkerFixtures>({
  wire: [
    // biome-ignore lint/correctness/noEmptyPattern: Playwright wants a pattern here
    async ({}, use) => {
      const wire = await Wire.start();
      await use(wire);
      await wire.stop();
    },
    { scope: "worker" },
  ],

  server: [
    async ({ settings, wire }, use) => {
      const server = await Server.start({
        COUNTERSIGN_HTTP__ASSETS: CLIENT_PAGE,
        COUNTERSIGN_HTTP__PUBLIC_URL: wire.origin,
        COUNTERSIGN_TOKENS__ISSUER: wire.origin,
        ...settings,
      });
      wire.target = server.origin;
      await use(server);
      await server.stop();
    },
    { scope: "worker" },
  ],

  ana: [
    async ({ server }, use) => use(await server.createPerson("USER", "Ana Lovelace")),
    { scope: "worker" },
  ],
  bob: [
    async ({ server }, use) => use(await server.createPerson("USER", "Bob Babbage")),
    { scope: "worker" },
  ],

  clockAhead: [0, { option: true }],
  // Pictures for a trace would keep every tab visible.
  trace: ["off", { scope: "worker" }],

  context: async ({ guard, launchOptions, wire }, use) => {
    // Chromium says so of every socket that it breaks in a page that it freezes or keeps for the way back.
    guard.tolerate(/Page entered Back-Forward Cache/);
    const chromium = await Chromium.start(launchOptions.executablePath ?? "chromium");
    await guard.watch(chromium.context);
    await use(chromium.context);
    await chromium.stop();
    wire.reset();
  },

  baseURL: async ({ wire }, use) => use(wire.origin),

  open: async ({ context, wire, clockAhead }, use) => {
    await context.addInitScript(installClocks, clockAhead);
    await use(async (query = "") => {
      const page = await context.newPage();
      await page.goto(`${wire.origin}/?${query}`);
      return new Tab(page);
    });
  },

  openAll: async ({ open }, use) => {
    await use((count) => Promise.all(Array.from({ length: count }, () => open())));
  },

  openWindow: async ({ context, open: _, wire }, use) => {
    const devTools = await context.browser()?.newBrowserCDPSession();
    await use(async () => {
      const opened = context.waitForEvent("page");
      await devTools?.send("Target.createTarget", { url: "about:blank", newWindow: true });
      const page = await opened;
      await page.goto(wire.origin);
      return new Tab(page);
    });
  },
});

/** Has a page's channels tell and hear nothing, as those of a page do that is kept for the way back. */
export function deafen(): void {
  globalThis.BroadcastChannel = class extends EventTarget {
    postMessage(): void {}
    close(): void {}
  } as unknown as typeof BroadcastChannel;
}

/** Gives a page clocks that a test can set: `step` the one on the wall, `pass` all of them. */
function installClocks(ahead: number): void {
  const RealDate = Date;
  const realNow = performance.now.bind(performance);
  let [shift, passed] = [ahead, 0];
  class ShiftedDate extends RealDate {
    constructor(...parts: []) {
      if (parts.length === 0) super(ShiftedDate.now());
      else super(...parts);
    }
    static override now(): number {
      return RealDate.now() + shift;
    }
  }
  globalThis.Date = ShiftedDate as DateConstructor;
  performance.now = () => realNow() + passed;
  const clocks = {
    step: (ms: number) => {
      shift += ms;
    },
    pass: (ms: number) => {
      shift += ms;
      passed += ms;
    },
  };
  Object.assign(globalThis, { clocks });
}

/** The token that all of these tabs hold. */
export async function commonToken(tabs: Tab[]): Promise<string> {
  const outcomes = await Promise.all(tabs.map((tab) => tab.token()));
  const [first] = outcomes;
  expect(outcomes).toEqual(tabs.map(() => first));
  return String(first !== undefined && "value" in first && first.value);
}

/** Whether the browser holds a refresh token. */
export async function holdsCookie(context: BrowserContext): Promise<boolean> {
  return (await context.cookies()).some(({ name }) => name === "__Host-countersign");
}

/** Waits until every tab shows this user. */
export async function expectUser(tabs: Tab[], { name }: Person): Promise<void> {
  for (const tab of tabs) await expect(tab.page.locator("#name")).toHaveText(name);
}

/** Waits until every tab has this status. */
export async function expectAll(tabs: Tab[], status: SessionState["status"]): Promise<void> {
  for (const tab of tabs) await expect(tab.page.locator("#status")).toHaveText(status);
}

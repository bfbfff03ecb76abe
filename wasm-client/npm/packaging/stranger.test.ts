// A Vite app of somebody else: outside of the checkout, with the packed package and the ten lines of README.md.

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { createServer } from "vite";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { RealServer } from "../test/support/real-server.js";
import { until } from "../test/support/wait.js";
import { launch } from "./support/chromium.js";
import { BIN, install, run } from "./support/packed.js";

const README = new URL("../../../README.md", import.meta.url);
const PAGE = '<link rel="icon" href="data:,"><script type="module" src="/main.ts"></script>';
const LIMIT_MS = 60_000;

let app: string;
let browser: Browser;

beforeAll(async () => {
  [app, browser] = await Promise.all([install(inject("packed")), launch()]);
  await writeFile(join(app, "index.html"), PAGE);
});

afterAll(() => browser?.close());

/** Writes the app's only module, and makes the user whom it signs in. */
async function writeApp(server: RealServer): Promise<void> {
  const readme = await readFile(README, "utf8");
  const lines = /^## Ten lines.*?^```ts\n(.*?)^```/ms.exec(readme)?.[1] ?? "";
  const [, email = "", password = ""] = /email: "(.+)", password: "(.+)"/.exec(lines) ?? [];
  await server.createUser(email, password, "USER");
  const module = lines.replaceAll("https://auth.example.com", server.origin);
  await writeFile(join(app, "main.ts"), module);
}

/** A page, with what it prints, what goes wrong in it and what it asks for. */
async function openPage() {
  const page = await browser.newPage();
  const printed: string[] = [];
  const faults: string[] = [];
  const operations: string[] = [];
  const wasm: string[] = [];
  page.on("console", (message) =>
    (message.type() === "error" ? faults : printed).push(message.text()),
  );
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("request", (request) =>
    operations.push(/mutation (\w+)/.exec(request.postData() ?? "")?.[1] ?? ""),
  );
  page.on("response", (response) => {
    const type = response.headers()["content-type"] ?? "";
    if (response.url().includes(".wasm")) wasm.push(`${response.status()} ${type}`);
  });
  const count = (operation: string) => operations.filter((name) => name === operation).length;
  return { page, printed, faults, wasm, count };
}

test("built, it stays signed in over renewals and a reload", { timeout: 120_000 }, async () => {
  const server = await RealServer.start({
    COUNTERSIGN_HTTP__ASSETS: join(app, "dist"),
    COUNTERSIGN_TOKENS__ACCESS_TTL: "10s",
  });
  try {
    await writeApp(server);
    await run(join(BIN, "vite"), ["build"], app);
    const { page, printed, faults, count } = await openPage();
    await page.goto(server.origin);
    await until("it has renewed three times", () => count("Refresh") === 3, LIMIT_MS);
    await page.reload();
    await until("it is restored and has renewed again", () => count("Refresh") === 5, LIMIT_MS);
    await until("it is live", () => printed.at(-1) === "live Root");
    const sinceSignIn = printed.slice(printed.indexOf("live Root")).join();
    expect(sinceSignIn).not.toMatch(/anonymous|backoff|stale|signed-out/);
    expect(count("Login")).toBe(1);
    expect(faults).toEqual([]);
    await page.close();
  } finally {
    await server.stop();
  }
});

test("in development, from an origin of its own", async () => {
  const vite = await createServer({ root: app, logLevel: "warn" });
  await vite.listen();
  const origin = `http://localhost:${vite.config.server.port}`;
  const server = await RealServer.start({ COUNTERSIGN_HTTP__ALLOWED_ORIGINS: origin });
  try {
    await writeApp(server);
    const { page, printed, faults, wasm, count } = await openPage();
    await page.goto(vite.resolvedUrls?.local[0] ?? "");
    await until("it has renewed", () => count("Refresh") > 0 && printed.at(-1) === "live Root");
    expect(wasm).toEqual(["200 application/wasm"]);
    expect(faults).toEqual([]);
    await page.close();
  } finally {
    await Promise.all([vite.close(), server.stop()]);
  }
});

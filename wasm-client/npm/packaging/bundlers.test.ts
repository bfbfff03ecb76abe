// The packed package, built by each bundler, in a page of the real server with its policy.

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { RealServer } from "../test/support/real-server.js";
import { bundlers } from "./support/bundlers.js";
import { launch } from "./support/chromium.js";
import { installApp } from "./support/packed.js";

const packed = inject("packed");
const site = join(packed.folder, "site");

let app: string;
let server: RealServer;
let browser: Browser;

beforeAll(async () => {
  await mkdir(site);
  [app, server, browser] = await Promise.all([
    installApp(packed),
    RealServer.start({ COUNTERSIGN_HTTP__ASSETS: site }),
    launch(),
  ]);
});

afterAll(async () => {
  await browser?.close();
  await server?.stop();
});

test.each(Object.entries(bundlers))("%s", async (name, build) => {
  await build(app, join(site, name));
  const page = await browser.newPage();
  const faults: string[] = [];
  page.on("console", (message) => faults.push(message.text()));
  page.on("pageerror", (error) => faults.push(error.message));
  const requests: string[] = [];
  page.on("request", (request) => requests.push(request.url()));
  const response = await page.goto(`${server.origin}/${name}/`);
  expect(response?.headers()["content-security-policy"]).toContain(
    "script-src 'self' 'wasm-unsafe-eval';",
  );
  const outcome = await page.evaluate("story()");

  expect(outcome).toEqual({ isMe: true, isVerified: true, status: "signed-out" });
  expect(faults).toEqual([]);
  const first = (part: RegExp) => requests.findIndex((url) => part.test(url));
  const wasm = first(/\.wasm$|wasm_client_inline/);
  expect(wasm, "the WASM core comes after the first request").toBeGreaterThan(first(/\/graphql$/));
  await page.close();
});

// The packed package outside of browsers, against the real server.

import { join } from "node:path";
import * as esbuild from "esbuild";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { RealServer } from "../test/support/real-server.js";
import { BIN, installApp, run } from "./support/packed.js";

let app: string;
let server: RealServer;

beforeAll(async () => {
  [app, server] = await Promise.all([installApp(inject("packed")), RealServer.start()]);
});

afterAll(() => server?.stop());

async function runs(program: string, ...words: string[]): Promise<void> {
  const outcome = JSON.parse(await run(program, [...words, server.origin], app));
  expect(outcome).toEqual({ isMe: true, isVerified: true, status: "signed-out" });
}

test("Node", () => runs(process.execPath, "script.js"));

test("Deno, which may reach the server and read no file", () => {
  const mayReach = `--allow-net=${new URL(server.origin).host}`;
  return runs(join(BIN, "deno"), "run", "--no-prompt", "--no-lock", mayReach, "script.js");
});

test("Bun", () => runs(join(BIN, "bun"), "run", "script.js"));

test("Node, with all in one file", async () => {
  const outfile = join(app, "bundled/script.js");
  await esbuild.build({
    entryPoints: [join(app, "script-inline.js")],
    bundle: true,
    platform: "node",
    format: "esm",
    outfile,
  });
  await runs(process.execPath, outfile);
});

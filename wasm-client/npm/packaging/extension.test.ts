// The packed package in the service worker of a browser extension, which may neither fetch files of a page nor `import()`.

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as esbuild from "esbuild";
import { expect, inject, test } from "vitest";
import { RealServer } from "../test/support/real-server.js";
import { launchWith } from "./support/chromium.js";
import { installApp } from "./support/packed.js";

const MANIFEST = {
  manifest_version: 3,
  name: "An extension with the packed package",
  version: "1.0",
  background: { service_worker: "worker.js", type: "module" },
  content_security_policy: { extension_pages: "script-src 'self' 'wasm-unsafe-eval'" },
  host_permissions: ["http://localhost/*"],
};

test("a browser extension", async () => {
  const app = await installApp(inject("packed"));
  const extension = join(app, "extension");
  await mkdir(extension);
  await writeFile(join(extension, "manifest.json"), JSON.stringify(MANIFEST));
  await esbuild.build({
    entryPoints: [join(app, "worker.js")],
    bundle: true,
    format: "esm",
    outfile: join(extension, "worker.js"),
  });
  const server = await RealServer.start();
  const browser = await launchWith(extension);
  try {
    const worker = browser.serviceWorkers()[0] ?? (await browser.waitForEvent("serviceworker"));
    await expect.poll(() => worker.evaluate("typeof story"), { timeout: 30_000 }).toBe("function");
    const outcome = await worker.evaluate(`story("${server.origin}")`);
    expect(outcome).toEqual({ isMe: true, isVerified: true, status: "signed-out" });
  } finally {
    await Promise.all([browser.close(), server.stop()]);
  }
});

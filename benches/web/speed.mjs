// Prints, as Markdown, how long reading and verifying a token takes beside jose and jwt-decode, in Node and in Chromium.
// `npm run speed -w countersign-benches`; build the package first. A machine that does something else meanwhile makes the
// figures worth nothing.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { bundle } from "../../wasm-client/npm/scripts/measure.mjs";
import { race } from "./contest.mjs";
import { makeTokens } from "./tokens.mjs";
import { versionOf } from "./versions.mjs";

const wasm = readFileSync(
  new URL("../../wasm-client/npm/pkg/wasm_client_bg.wasm", import.meta.url),
);

/** Runs the race in a page from loopback. */
async function raceInChromium(material) {
  const { first } = await bundle(fileURLToPath(new URL("contest.mjs", import.meta.url)), {
    isLibrary: true,
  });
  const files = new Map(first.map(({ fileName, code }) => [`/${fileName}`, code]));
  const server = createServer(({ url }, response) => {
    const type = { ".js": "text/javascript", wasm: "application/wasm" };
    if (url.endsWith(".wasm")) response.setHeader("content-type", type.wasm).end(wasm);
    else if (files.has(url)) response.setHeader("content-type", type[".js"]).end(files.get(url));
    else response.setHeader("content-type", "text/html").end("<!doctype html>");
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM_PATH ?? "/usr/bin/chromium",
    args: ["--no-sandbox"],
  });
  try {
    const page = await browser.newPage();
    await page.goto(`http://localhost:${server.address().port}/`);
    const results = await page.evaluate(
      async ([entry, material]) => (await import(entry)).race(material),
      [`/${first.find(({ isEntry }) => isEntry).fileName}`, material],
    );
    return { name: `Chromium ${browser.version()}`, results };
  } finally {
    await browser.close();
    server.close();
  }
}

const material = await makeTokens();
const node = { name: `Node ${process.versions.node}`, results: await race(material) };
const places = [node, await raceInChromium(material)];

const show = ({ median, low, high }) =>
  `${median.toFixed(1)} (${low.toFixed(1)} to ${high.toFixed(1)})`;
const rows = node.results.map(({ task, name }, index) => {
  const cells = places.map(({ results }) => show(results[index]));
  return `| ${task} | ${name} | ${cells.join(" | ")} |`;
});
const versions = ["@countersign/client", "jose", "jwt-decode"].map(
  (name) => `${name} ${versionOf(name)}`,
);
process.stdout.write(`${new Date().toISOString().slice(0, 10)}, ${versions.join(", ")}, ${cpus().length} × ${cpus()[0].model}
Microseconds for one token: median of the rounds, and the bounds of their middle half.

| task | by | ${places.map(({ name }) => name).join(" | ")} |
|---|---|--:|--:|
${rows.join("\n")}
`);

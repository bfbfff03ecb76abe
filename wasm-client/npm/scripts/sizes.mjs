// Prints what a page downloads, compressed: the session without and with its renewal planner, and the token checks.
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { rolldown } from "rolldown";

const root = new URL("../", import.meta.url);
const gzip = (bytes) => gzipSync(bytes, { level: 9 }).length;

/** The compressed bytes of an entry's own chunk and of the chunks that it loads at once. */
async function bundle(entry) {
  const bundle = await rolldown({ input: new URL(entry, root).pathname, logLevel: "silent" });
  const { output } = await bundle.generate({ format: "es", minify: true });
  const files = new Map(output.map((file) => [file.fileName, file]));
  const wanted = new Set(output.filter((file) => file.isEntry).map((file) => file.fileName));
  for (const name of wanted)
    for (const needed of files.get(name).imports) if (files.has(needed)) wanted.add(needed);
  return [...wanted].reduce((sum, name) => sum + gzip(files.get(name).code), 0);
}

const wasm = gzip(readFileSync(new URL("pkg/wasm_client_bg.wasm", root)));
const glue = gzip(readFileSync(new URL("pkg/wasm_client.js", root)));
const lines = [
  `session ${await bundle("dist/index.js")} B, token checks ${await bundle("dist/token.js")} B (glue included)`,
  `WASM ${wasm} B, its glue ${glue} B before minifying; all with gzip`,
];
process.stdout.write(`${lines.join("\n")}\n`);

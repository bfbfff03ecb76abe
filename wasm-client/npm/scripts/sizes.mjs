// Prints what a page downloads, compressed: the session, what it loads when it needs it, and the token checks.
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { rolldown } from "rolldown";

const root = new URL("../", import.meta.url);
const gzip = (bytes) => gzipSync(bytes, { level: 9 }).length;

/** The chunks of an entry, by file name. */
async function chunks(entry) {
  const bundle = await rolldown({ input: new URL(entry, root).pathname, logLevel: "silent" });
  const { output } = await bundle.generate({ format: "es", minify: true });
  return new Map(output.map((file) => [file.fileName, file]));
}

/** The compressed bytes of an entry's own chunk and of the chunks that it loads at once. */
async function bundle(entry) {
  const files = await chunks(entry);
  const wanted = new Set(
    [...files.values()].filter(({ isEntry }) => isEntry).map(({ fileName }) => fileName),
  );
  for (const name of wanted)
    for (const needed of files.get(name).imports) if (files.has(needed)) wanted.add(needed);
  return [...wanted].reduce((sum, name) => sum + gzip(files.get(name).code), 0);
}

/** The compressed bytes of the chunk that the session loads later. */
async function later(name) {
  const files = await chunks("dist/index.js");
  return gzip([...files.values()].find((file) => file.name === name).code);
}

const wasm = gzip(readFileSync(new URL("pkg/wasm_client_bg.wasm", root)));
const glue = gzip(readFileSync(new URL("pkg/wasm_client.js", root)));
const lines = [
  `session ${await bundle("dist/index.js")} B, token checks ${await bundle("dist/token.js")} B (glue included)`,
  `loaded later: engine ${await later("engine")} B, events ${await later("events")} B`,
  `WASM ${wasm} B, its glue ${glue} B before minifying; all with gzip`,
];
process.stdout.write(`${lines.join("\n")}\n`);

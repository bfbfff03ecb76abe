// Checks that the reference is what the sources say, and that the TypeScript in the client's documents compiles.

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";

const here = import.meta.dirname;
const root = join(here, "../..");
/** Runs a tool whose failure is this check's, too. */
function run(tool, ...words) {
  const { status } = spawnSync(tool, words, { cwd: here, stdio: "inherit" });
  if (status !== 0) process.exitCode = 1;
}
const files = (folder) =>
  readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), "utf8")]);

function checkReference() {
  const fresh = mkdtempSync(join(tmpdir(), "countersign-reference-"));
  try {
    run("typedoc", "--logLevel", "Warn", "--out", fresh);
    if (JSON.stringify(files(fresh)) === JSON.stringify(files(join(here, "reference")))) return;
    process.stderr.write(
      "docs/client/reference is old: run `npm run docs -w docs/client` and commit it\n",
    );
    process.exitCode = 1;
  } finally {
    rmSync(fresh, { recursive: true });
  }
}

/** Each block becomes a module with the block's lines at the document's line numbers, so that errors name those. */
function checkSnippets() {
  const folder = join(here, "snippets");
  const pages = readdirSync(here).filter((name) => name.endsWith(".md"));
  const documents = ["README.md", "wasm-client/npm/README.md"].map((path) => join(root, path));
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  let count = 0;
  for (const path of [...documents, ...pages.map((name) => join(here, name))]) {
    const text = readFileSync(path, "utf8");
    for (const { 1: language, 2: code, index } of text.matchAll(/^```(tsx?)\n(.*?)^```$/gms)) {
      const line = text.slice(0, index).split("\n").length;
      const page = path.startsWith(here)
        ? basename(path)
        : path.slice(root.length + 1).replaceAll("/", "_");
      writeFileSync(join(folder, `${page}-${line}.${language}`), "\n".repeat(line) + code);
      count += 1;
    }
  }
  run("tsc", "-p", "tsconfig.json");
  rmSync(folder, { recursive: true });
  process.stdout.write(`compiled ${count} pieces of code of the documents\n`);
}

checkReference();
checkSnippets();

// What is in the packed package.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { expect, inject, test } from "vitest";
import { BIN, run } from "./support/packed.js";

const { files, folder, tarball } = inject("packed");
const read = (path: string) => readFile(new URL(path, import.meta.url));

test("the files", async () => {
  await expect([...files].sort().join("\n")).toMatchFileSnapshot("contents.txt");
});

test("publint finds no fault", () => run(join(BIN, "publint"), ["--strict", tarball], folder));

// The profile leaves out what loads CommonJS, which the package is not.
test("attw finds no fault", () =>
  run(join(BIN, "attw"), [tarball, "--profile", "esm-only"], folder));

test.each(["LICENSE-MIT", "LICENSE-APACHE"])("%s is that of the project", async (name) => {
  expect(files).toContain(name);
  expect(await read(`../${name}`)).toEqual(await read(`../../../${name}`));
});

test("the inlined WASM core is the one in the file", async () => {
  const { default: text } = await import("../pkg/wasm_client_inline.js");
  expect(gunzipSync(Buffer.from(text, "base64"))).toEqual(await read("../pkg/wasm_client_bg.wasm"));
});

test("the WASM core names no folder of the machine that built it", async () => {
  const text = (await read("../pkg/wasm_client_bg.wasm")).toString("latin1");
  const sources = text.match(/[\w./~-]+\.rs\b/g) ?? [];
  // Those of the compiler's own library, which are the same everywhere, and those of the crates, by name and version.
  const known = /^(\/rustc\/[0-9a-f]{40}\/library|\/rust\/deps|[a-z0-9-]+-\d+\.\d+\.\d+)\//;
  expect(sources).not.toEqual([]);
  expect(sources.filter((source) => !known.test(source))).toEqual([]);
});

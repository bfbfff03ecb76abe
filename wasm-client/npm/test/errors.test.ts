import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

const read = (path: string) => readFileSync(new URL(path, import.meta.url), "utf8");
const names = (text: string, name: RegExp) =>
  new Set([...text.matchAll(name)].map((match) => match[1]));

test("the types name every code and reason that the documentation does, and no other", () => {
  const documented = names(read("../../../docs/errors.md"), /`((?!COUNTERSIGN_)[A-Z][A-Z_]{3,})`/g);
  const typed = names(read("../src/error.ts"), /^ {2}\| "([A-Z_]+)"$/gm);
  for (const own of ["NETWORK", "WASM_UNAVAILABLE", "SESSION_CHANGED"])
    expect(typed.delete(own), own).toBe(true);
  expect([...typed].sort()).toEqual([...documented].sort());
});

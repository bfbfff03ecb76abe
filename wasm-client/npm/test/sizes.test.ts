// What a page downloads is held to budgets.json, measured on the built package as an app's bundler makes it small.
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

interface Size {
  name: string;
  gzip: number;
}

const root = new URL("../", import.meta.url);
const file = new URL("budgets.json", root);
const budgets: Record<string, { gzip: number }> = JSON.parse(readFileSync(file, "utf8"));
const tool = fileURLToPath(new URL("scripts/sizes.mjs", root));
const { stdout } = await promisify(execFile)(process.execPath, [tool, "--json"]);
const sizes: Size[] = JSON.parse(stdout);

test("everything that is published has a budget, and every budget is of something", () => {
  expect(sizes.map(({ name }) => name).sort()).toEqual(Object.keys(budgets).sort());
});

test.each(sizes)("$name: $gzip bytes are within the budget", ({ name, gzip }) => {
  expect(gzip).toBeGreaterThan(0);
  expect(gzip).toBeLessThanOrEqual(budgets[name]?.gzip ?? 0);
});

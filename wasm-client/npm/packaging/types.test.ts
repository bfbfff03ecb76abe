// The types of the packed package, under the settings that its users may have, with its own declarations checked too.

import { copyFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, inject, test } from "vitest";
import { BIN, install, run } from "./support/packed.js";

let app: string;

beforeAll(async () => {
  app = await install(inject("packed"), ["expect-type", "@types/node", "undici-types"]);
  await copyFile(join(import.meta.dirname, "types/consumer.ts"), join(app, "consumer.ts"));
});

const settings = {
  "a bundler, in a page": {
    module: "ESNext",
    moduleResolution: "bundler",
    lib: ["ES2022", "DOM"],
    types: [],
  },
  "a bundler, with all libraries": { module: "ESNext", moduleResolution: "bundler" },
  "node16, without the DOM": { module: "node16", lib: ["ES2022"], types: ["node"] },
  "nodenext, without the DOM": { module: "nodenext", lib: ["ES2022"], types: ["node"] },
};

test.each(Object.entries(settings))("%s", async (name, setting) => {
  const compilerOptions = {
    target: "ES2022",
    strict: true,
    noUncheckedIndexedAccess: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false,
    noEmit: true,
    ...setting,
  };
  const file = join(app, `${name.replaceAll(/\W+/g, "-")}.json`);
  await writeFile(file, JSON.stringify({ compilerOptions, files: ["consumer.ts"] }));
  await run(join(BIN, "tsc"), ["--project", file], app);
});

test("Deno", () => run(join(BIN, "deno"), ["check", "consumer.ts"], app));

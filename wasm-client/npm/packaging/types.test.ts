// The types of the packed package, under the settings that its users may have, with its own declarations checked too.

import { copyFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, inject, test } from "vitest";
import { BIN, install, run } from "./support/packed.js";

/** What the files import; the package itself brings none of it. */
const LIBRARIES = ["expect-type", "@types/node", "@apollo/client", "@urql/core", "graphql-ws"];

let app: string;

beforeAll(async () => {
  app = await install(inject("packed"), LIBRARIES);
  for (const name of ["consumer.ts", "adapters.ts"])
    await copyFile(join(import.meta.dirname, "types", name), join(app, name));
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

async function compile(file: string, setting: object): Promise<void> {
  const compilerOptions = {
    target: "ES2022",
    strict: true,
    noUncheckedIndexedAccess: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false,
    noEmit: true,
    ...setting,
  };
  await writeFile(join(app, "tsconfig.json"), JSON.stringify({ compilerOptions, files: [file] }));
  await run(join(BIN, "tsc"), [], app);
}

test.each(Object.entries(settings))("%s", (_, setting) => compile("consumer.ts", setting));

// Apollo Client's own declarations do not hold with exactOptionalPropertyTypes.
test("the adapters", () =>
  compile("adapters.ts", {
    ...settings["a bundler, in a page"],
    exactOptionalPropertyTypes: false,
  }));

test("Deno", () => run(join(BIN, "deno"), ["check", "consumer.ts"], app));

// Prints what a page downloads of the package, beside what budgets.json allows. With `--json` for programs.
import { readFileSync } from "node:fs";
import { bundle, codes, virtual, weigh } from "./measure.mjs";

const root = new URL("../", import.meta.url);
const readJson = (name) => JSON.parse(readFileSync(new URL(name, root), "utf8"));

/** An app of few statements. */
function app(code) {
  const id = new URL("app.js", root).pathname;
  return bundle(id, { plugins: [virtual(id, code)] });
}

const session = await app(
  'import { createClient } from "@countersign/client"; globalThis.client = createClient({ endpoint: "/graphql" });',
);
const token = await app(
  'import { loadTokens, remoteKeySet } from "@countersign/client/token"; globalThis.tokens = [loadTokens, remoteKeySet];',
);
const ofSession = new Set(
  [...session.first, ...session.later].flatMap(({ moduleIds }) => moduleIds),
);

/** What an entry adds to a page: neither libraries nor what the session brings itself. */
async function added(entry) {
  const { first, later } = await bundle(new URL(entry, root).pathname, {
    isLibrary: true,
    isExternal: (id) => ofSession.has(id) || !/^[./#]/.test(id),
  });
  return codes([...first, ...later]);
}

const {
  ".": _,
  "./token": __,
  "./package.json": ___,
  ...others
} = readJson("package.json").exports;
const additions = Object.entries(others).map(async ([name, entry]) => [
  name.slice("./".length),
  await added(entry.default),
]);

const core = session.later.find(({ code }) => code.includes("WebAssembly"));
const files = {
  session: codes(session.first),
  ...Object.fromEntries(session.later.map(({ name, code }) => [`session/${name}`, [code]])),
  token: codes(token.first),
  ...Object.fromEntries(await Promise.all(additions)),
  wasm: [readFileSync(new URL("pkg/wasm_client_bg.wasm", root)), core.code],
};
const budgets = readJson("budgets.json");
const sizes = Object.entries(files).map(([name, contents]) => ({
  name,
  ...weigh(contents),
  limit: budgets[name]?.gzip,
}));
const list = sizes.map(({ name, gzip, limit }) => `${name} ${gzip} of ${limit}`).join(", ");
process.stdout.write(
  process.argv.includes("--json") ? JSON.stringify(sizes) : `Bytes, minified, with gzip: ${list}\n`,
);

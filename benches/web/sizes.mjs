// Prints, as Markdown, what a page downloads of this client and of others: one small app with each, made small by the same
// bundler. `npm run sizes -w countersign-benches`; build the package first.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { bundle, codes, weigh } from "../../wasm-client/npm/scripts/measure.mjs";
import { versionOf } from "./versions.mjs";

const WASM = "../../wasm-client/npm/pkg/wasm_client_bg.wasm";
const url = (path) => new URL(path, import.meta.url);

/** Folder `apps` has one app for each; that of a package with WASM loads it later. */
const APPS = [
  ["countersign", "@countersign/client", true],
  ["supabase", "@supabase/auth-js"],
  ["oidc-client-ts", "oidc-client-ts"],
  ["auth0", "@auth0/auth0-spa-js"],
  ["countersign-token", "@countersign/client", true],
  ["jose", "jose"],
  ["jose-decode", "jose"],
  ["jwt-decode", "jwt-decode"],
];

async function row([app, name, hasWasm]) {
  const { first, later } = await bundle(fileURLToPath(url(`apps/${app}.js`)));
  const downloads = [
    codes(first),
    codes([...first, ...later]),
    hasWasm ? [readFileSync(url(WASM))] : [],
  ];
  const numbers = downloads.map(weigh).flatMap(({ gzip, brotli }) => [gzip, brotli]);
  const cells = numbers.map((bytes) => (bytes === 0 ? "–" : bytes.toLocaleString("en")));
  return `| \`apps/${app}.js\` | ${name} ${versionOf(name)} | ${cells.join(" | ")} |`;
}

const rows = await Promise.all(APPS.map(row));
const today = new Date().toISOString().slice(0, 10);
process.stdout.write(`${today}, rolldown ${versionOf("rolldown")}, bytes

| app | package | at once: gzip | Brotli | with all chunks: gzip | Brotli | WASM: gzip | Brotli |
|---|---|--:|--:|--:|--:|--:|--:|
${rows.join("\n")}
`);

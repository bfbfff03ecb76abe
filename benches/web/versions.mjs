import { readFileSync } from "node:fs";

const file = new URL("../../package-lock.json", import.meta.url);
const { packages } = JSON.parse(readFileSync(file, "utf8"));

/** The version of a package that is installed for this folder, by the lock file. */
export function versionOf(name) {
  const place = `node_modules/${name}`;
  const entry = packages[`benches/web/${place}`] ?? packages[place];
  return (entry.link ? packages[entry.resolved] : entry).version;
}

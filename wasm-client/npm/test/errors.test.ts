import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

const read = (path: string) => readFileSync(new URL(path, import.meta.url), "utf8");
const names = (text: string, name: RegExp) =>
  new Set([...text.matchAll(name)].map((match) => match[1]));

/** The codes and reasons of the types. */
const typed = () => names(read("../src/error.ts"), /^ {2}\| "([A-Z_]+)"$/gm);

test("the types name every code and reason that the documentation does, and no other", () => {
  const documented = names(read("../../../docs/errors.md"), /`((?!COUNTERSIGN_)[A-Z][A-Z_]{3,})`/g);
  const ofServers = typed();
  for (const own of ["NETWORK", "WASM_UNAVAILABLE", "SESSION_CHANGED"])
    expect(ofServers.delete(own), own).toBe(true);
  expect([...ofServers].sort()).toEqual([...documented].sort());
});

test("the page on troubleshooting has a line on every code and reason, and on every end of a session", () => {
  const page = read("../../../docs/client/troubleshooting.md");
  const explained = names(page.replaceAll("` `", "`\n| `"), /^\| `([A-Z_]+)`/gm);
  const events = read("../../../docs/session-events.md");
  const ends = names(/^\| `ENDED` .*$/m.exec(events)?.[0] ?? "", /`([A-Z]+_[A-Z_]+)`/g);
  expect(ends.size).toBeGreaterThan(10);
  expect([...typed(), ...ends].filter((name) => !explained.has(name))).toEqual([]);
});

// The program against the real server, each run a process of its own.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Countersign, emailOf, PASSWORD } from "../../node-service/test/support/countersign.js";

const main = fileURLToPath(new URL("../src/main.js", import.meta.url));

/** @type {Countersign} */
let server;
/** @type {string} */
let folder;

before(async () => {
  server = await Countersign.start();
  await server.tokenOf("USER");
  folder = await mkdtemp(join(tmpdir(), "countersign-script-"));
});

after(async () => {
  await server?.stop();
  await rm(folder, { recursive: true, force: true });
});

const file = () => join(folder, "session");

/**
 * One run of the program.
 *
 * @param {string} command
 * @param {Record<string, string>} [environment]
 * @returns {Promise<{ code: number, stdout: string, stderr: string }>}
 */
function run(command, environment = {}) {
  const env = {
    PATH: process.env.PATH,
    ENDPOINT: `${server.origin}/graphql`,
    SESSION_FILE: file(),
    ...environment,
  };
  return new Promise((resolve) => {
    execFile(process.execPath, [main, command], { env }, (error, stdout, stderr) =>
      resolve({ code: Number(error?.code ?? 0), stdout, stderr }),
    );
  });
}

const person = { EMAIL: emailOf("USER"), PASSWORD };

test("it stays signed in between runs, until it signs out", async () => {
  assert.equal((await run("me")).code, 1);
  assert.equal((await run("login", { ...person, PASSWORD: "not it at all" })).code, 1);
  assert.deepEqual(await run("login", person), {
    code: 0,
    stdout: "Signed in as Ana.\n",
    stderr: "",
  });
  const first = await readFile(file(), "utf8");
  assert.equal((await stat(file())).mode & 0o777, 0o600);

  assert.equal((await run("me")).stdout, "Ana, USER\n");
  assert.notEqual(await readFile(file(), "utf8"), first);
  await server.crash();
  assert.equal((await run("me")).code, 1);
  server.process = server.run(["serve"]);
  await server.ready();
  assert.equal((await run("me")).stdout, "Ana, USER\n");
  assert.equal((await stat(file())).mode & 0o777, 0o600);

  assert.equal((await run("logout")).stdout, "Signed out.\n");
  assert.deepEqual(await readdir(folder), []);
  const { code, stderr } = await run("me");
  assert.equal(code, 1);
  assert.match(stderr, /signed-in user/);
});

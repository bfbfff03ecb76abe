import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

export const PASSWORD = "plum tractor ninety seven";
const START_LIMIT_MS = 60_000;

/** The real server's binary on a free loopback port, with a database in a folder of its own. */
export class Countersign {
  /**
   * @param {string} binary
   * @param {string} folder
   * @param {number} port
   */
  constructor(binary, folder, port) {
    this.binary = binary;
    this.folder = folder;
    this.port = port;
    this.origin = `http://localhost:${port}`;
    this.process = this.run(["serve"]);
  }

  static async start() {
    const binary = process.env.COUNTERSIGN_BIN;
    if (!binary) {
      throw new Error(
        "COUNTERSIGN_BIN must name the server's binary, for example target/debug/countersign; `cargo xtask test` sets it.",
      );
    }
    const folder = await mkdtemp(join(tmpdir(), "countersign-service-"));
    const server = new Countersign(binary, folder, await freePort());
    await server.ready();
    return server;
  }

  /**
   * Runs the server's command line on the same database.
   *
   * @param {string[]} words
   */
  run(words) {
    return spawn(this.binary, words, {
      cwd: this.folder,
      env: {
        PATH: process.env.PATH,
        HOME: this.folder,
        COUNTERSIGN_LOG__FILTER: "warn",
        COUNTERSIGN_HTTP__LISTEN: `127.0.0.1:${this.port}`,
        COUNTERSIGN_DATABASE__URL: `sqlite://${join(this.folder, "countersign.db")}`,
        // The cost of hashing is not what these tests are about.
        COUNTERSIGN_PASSWORDS__MEMORY_KIB: "8192",
      },
      stdio: ["pipe", "ignore", "inherit"],
    });
  }

  /**
   * The same, to its end.
   *
   * @param {string[]} words
   */
  async finish(words) {
    const command = this.run(words);
    command.stdin?.end(PASSWORD);
    const [status] = await once(command, "exit");
    if (status !== 0) throw new Error(`${words.join(" ")} failed`);
  }

  async ready() {
    const end = performance.now() + START_LIMIT_MS;
    while (performance.now() < end && this.process.exitCode === null) {
      const answer = await fetch(`${this.origin}/readyz`).catch(() => undefined);
      if (answer?.ok) return;
      await sleep(50);
    }
    await this.stop();
    throw new Error("the server did not become ready");
  }

  async crash() {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const ended = once(this.process, "exit");
    this.process.kill("SIGKILL");
    await ended;
  }

  async stop() {
    await this.crash();
    await rm(this.folder, { recursive: true, force: true });
  }

  /**
   * The answer of a GraphQL operation.
   *
   * @param {string} query
   * @param {string} [token]
   * @returns {Promise<any>}
   */
  async graphql(query, token) {
    const authorization = token === undefined ? undefined : { authorization: `Bearer ${token}` };
    const answer = await fetch(`${this.origin}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", ...authorization },
      body: JSON.stringify({ query }),
    });
    return answer.json();
  }

  /**
   * The access token of a new user with `role`.
   *
   * @param {string} role
   * @returns {Promise<string>}
   */
  async tokenOf(role) {
    const email = emailOf(role);
    const who = ["--email", email, "--name", "Ana", "--role", role];
    await this.finish(["users", "create", "--password-stdin", ...who]);
    return this.signIn(role);
  }

  /**
   * Another access token of that user.
   *
   * @param {string} role
   * @returns {Promise<string>}
   */
  async signIn(role) {
    const input = `{ email: "${emailOf(role)}", password: "${PASSWORD}" }`;
    const login = `mutation { login(input: ${input}, transport: BODY) { accessToken } }`;
    const { data, errors } = await this.graphql(login);
    if (errors) throw new Error(JSON.stringify(errors));
    return data.login.accessToken;
  }
}

/** @param {string} role */
export const emailOf = (role) => `${role.toLowerCase()}@example.com`;

async function freePort() {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

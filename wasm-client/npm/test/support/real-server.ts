import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { sleep } from "./wait.js";

const START_LIMIT_MS = 30_000;

/** Environment variables of the server that a test sets. */
export type Settings = Record<`COUNTERSIGN_${string}`, string>;

/** The server's own binary on a free loopback port, with a database in a folder of its own. */
export class RealServer {
  #process: ChildProcess | undefined;
  #log = "";

  private constructor(
    private readonly binary: string,
    private readonly folder: string,
    private readonly port: number,
    private readonly settings: Settings,
  ) {}

  static async start(settings: Settings = {}): Promise<RealServer> {
    const binary = process.env.COUNTERSIGN_BIN;
    if (!binary) {
      throw new Error(
        "COUNTERSIGN_BIN must name the server's binary: run `cargo xtask test client`, or `cargo build -p server` and set it",
      );
    }
    const folder = await mkdtemp(join(tmpdir(), "countersign-client-"));
    const server = new RealServer(binary, folder, await freePort(), settings);
    await server.restart();
    return server;
  }

  get origin(): string {
    return `http://localhost:${this.port}`;
  }

  get endpoint(): string {
    return `${this.origin}/graphql`;
  }

  /** Kills the process at once, as a crash does. */
  async crash(): Promise<void> {
    if (this.#process === undefined) return;
    const ended = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    await ended;
    this.#process = undefined;
  }

  /** Starts the process and waits until it is ready. */
  async restart(): Promise<void> {
    this.#process = spawn(this.binary, ["serve"], {
      cwd: this.folder,
      env: this.#environment,
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream?.on("data", (text: Buffer) => {
        this.#log += text.toString();
      });
    }
    await this.#ready();
  }

  /** Makes an account by the command line, the way the first administrator is made. */
  async createUser(email: string, password: string, role: string): Promise<void> {
    const flags = ["--email", email, "--name", "Root", "--role", role, "--password-stdin"];
    await this.command(["users", "create", ...flags], `${password}\n`);
  }

  /** What a command of the binary prints. */
  async command(words: string[], input = ""): Promise<string> {
    const run = promisify(execFile)(this.binary, words, {
      cwd: this.folder,
      env: this.#environment,
    });
    // Not every command reads its input to the end.
    run.child.stdin?.on("error", () => {}).end(input);
    return (await run).stdout;
  }

  get #environment(): NodeJS.ProcessEnv {
    return {
      PATH: process.env.PATH,
      HOME: this.folder,
      COUNTERSIGN_HTTP__LISTEN: `127.0.0.1:${this.port}`,
      COUNTERSIGN_DATABASE__URL: `sqlite://${join(this.folder, "countersign.db")}`,
      COUNTERSIGN_TOKENS__ACCESS_TTL: "4s",
      // The cost of hashing is not what these tests are about.
      COUNTERSIGN_PASSWORDS__MEMORY_KIB: "8192",
      // All tests come from one address.
      COUNTERSIGN_LIMITS__FAILURES_PER_MINUTE: "off",
      COUNTERSIGN_LIMITS__FAILURES_PER_HOUR: "off",
      COUNTERSIGN_LIMITS__REGISTRATIONS_PER_HOUR: "off",
      ...this.settings,
    };
  }

  async stop(): Promise<void> {
    await this.crash();
    await rm(this.folder, { recursive: true, force: true });
  }

  async #ready(): Promise<void> {
    const end = performance.now() + START_LIMIT_MS;
    while (performance.now() < end && this.#process?.exitCode === null) {
      const answer = await fetch(`${this.origin}/readyz`).catch(() => undefined);
      if (answer?.ok) return;
      await sleep(50);
    }
    throw new Error(`the server did not become ready:\n${this.#log}`);
  }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

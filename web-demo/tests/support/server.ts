import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of the built demo. */
export const DEMO = fileURLToPath(new URL("../../dist", import.meta.url));
const START_LIMIT_MS = 20_000;
const STOP_LIMIT_MS = 10_000;

/** Somebody who has an account. */
export interface Person {
  email: string;
  password: string;
  name: string;
}

/** What the server answers to an operation. */
export interface Answer {
  data?: Record<string, unknown> | null;
  errors?: { message: string; extensions: { code: string; reason?: string } }[];
}

/** Environment variables of the server that a test sets; the rest is a server as it comes, on SQLite in a folder of its own. */
export type Settings = Record<`COUNTERSIGN_${string}`, string>;

/** A real server on a free loopback port, with a database that goes when it goes. */
export class Server {
  readonly origin: string;
  readonly #binary: string;
  readonly #environment: NodeJS.ProcessEnv;
  readonly #folder: string;
  #process: ChildProcess | null = null;
  #output = "";
  #people = 0;

  private constructor(binary: string, folder: string, port: number, settings: Settings) {
    this.#binary = binary;
    this.#folder = folder;
    this.origin = `http://localhost:${port}`;
    this.#environment = {
      PATH: process.env.PATH,
      HOME: folder,
      COUNTERSIGN_HTTP__LISTEN: `127.0.0.1:${port}`,
      COUNTERSIGN_HTTP__ASSETS: DEMO,
      COUNTERSIGN_DATABASE__URL: `sqlite://${join(folder, "countersign.db")}`,
      // The cost of hashing is not what these tests are about.
      COUNTERSIGN_PASSWORDS__MEMORY_KIB: "8192",
      // All tests come from one address.
      COUNTERSIGN_LIMITS__FAILURES_PER_MINUTE: "off",
      COUNTERSIGN_LIMITS__FAILURES_PER_HOUR: "off",
      COUNTERSIGN_LIMITS__REGISTRATIONS_PER_HOUR: "off",
      COUNTERSIGN_LIMITS__STRENGTH_PER_MINUTE: "off",
      ...settings,
    };
  }

  /** Starts the binary that COUNTERSIGN_BIN names, and waits until it is ready. */
  static async start(settings: Settings): Promise<Server> {
    const binary = process.env.COUNTERSIGN_BIN;
    if (!binary) {
      throw new Error(
        "COUNTERSIGN_BIN must name the server's binary, for example target/debug/countersign; `cargo xtask test` sets it.",
      );
    }
    const folder = await mkdtemp(join(tmpdir(), "countersign-browser-"));
    for (;;) {
      const server = new Server(binary, folder, await freePort(), settings);
      try {
        await server.launch();
        return server;
      } catch (error) {
        // Another program has taken the port since.
        if (!server.output.includes("cannot listen")) throw error;
      }
    }
  }

  /** Starts the process, on the same port and database as before if it ran already. */
  async launch(): Promise<void> {
    const child = spawn(this.#binary, ["serve"], {
      cwd: this.#folder,
      env: this.#environment,
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#process = child;
    let isServing = false;
    for (const stream of [child.stdout, child.stderr])
      stream?.on("data", (chunk: Buffer) => {
        this.#keep(chunk);
        isServing ||= chunk.includes("serving address");
      });
    const deadline = Date.now() + START_LIMIT_MS;
    // Whoever else answers at this port does not say so here.
    while (!isServing || !(await this.#isReady())) {
      if (child.exitCode !== null || Date.now() > deadline) {
        throw new Error(`The server did not become ready.\n${this.#output}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** Ends the process without any warning to it, as a power cut would. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** Ends the process as an operator would, and removes its data. */
  async stop(): Promise<void> {
    await this.#end("SIGTERM");
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** What the server has logged last. */
  get output(): string {
    return this.#output;
  }

  /** Makes an account by the command line, the way the first administrator is made. */
  async createPerson(role = "USER", name = "Ana Lovelace"): Promise<Person> {
    this.#people += 1;
    const person = {
      name,
      email: `person${this.#people}@example.com`,
      password: "violet tractor melody 47",
    };
    const flags = ["--email", person.email, "--name", name, "--role", role, "--password-stdin"];
    await this.#command(["users", "create", ...flags], `${person.password}\n`);
    return person;
  }

  /** The link by which `person` sets a new password, from the command line. */
  async recoveryLink({ email }: Person): Promise<string> {
    return (await this.#command(["users", "recover", "--email", email])).trim();
  }

  /** Makes a new key by the command line, which signs in five seconds. */
  async rotateKeys(): Promise<void> {
    await this.#command(["keys", "rotate", "--now"]);
  }

  /** Sends an operation as a program would, without a page. */
  async ask(
    query: string,
    { variables = {}, headers = {} }: { variables?: object; headers?: Record<string, string> } = {},
  ): Promise<Answer> {
    const response = await fetch(`${this.origin}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify({ query, variables }),
    });
    return (await response.json()) as Answer;
  }

  /** Why `query` is refused to the bearer of this token; undefined where it is not. */
  async refusal(token: string, query = "{ me { id } }"): Promise<string | undefined> {
    const { errors } = await this.ask(query, { headers: { authorization: `Bearer ${token}` } });
    return errors?.[0]?.extensions.reason;
  }

  /** Signs in as a program does, which leaves a session and a line in the audit trail. */
  async signIn({ email, password }: Person): Promise<void> {
    const query =
      "mutation ($input: LoginInput!) { login(input: $input, transport: BODY) { sessionId } }";
    const { errors } = await this.ask(query, {
      variables: { input: { email, password } },
      headers: { "user-agent": "curl/8.5.0" },
    });
    if (errors) throw new Error(JSON.stringify(errors));
  }

  /** What a command of the binary prints. */
  async #command(words: string[], input = ""): Promise<string> {
    const child = spawn(this.#binary, words, {
      cwd: this.#folder,
      env: this.#environment,
      stdio: ["pipe", "pipe", "pipe"],
    });
    let [printed, said] = ["", ""];
    child.stdout.on("data", (chunk) => {
      printed += chunk;
    });
    child.stderr.on("data", (chunk) => {
      said += chunk;
    });
    child.stdin.end(input);
    const [code] = await once(child, "close");
    if (code !== 0) throw new Error(`${words[1]} ended with ${code}: ${said}`);
    return printed;
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill(signal);
    const patience = setTimeout(() => child.kill("SIGKILL"), STOP_LIMIT_MS);
    await ended;
    clearTimeout(patience);
  }

  async #isReady(): Promise<boolean> {
    try {
      return (await fetch(`${this.origin}/readyz`)).ok;
    } catch {
      return false;
    }
  }

  #keep(chunk: Buffer): void {
    this.#output = (this.#output + chunk.toString()).slice(-20_000);
  }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  if (address === null || typeof address === "string") throw new Error("no port was given");
  probe.close();
  await once(probe, "close");
  return address.port;
}

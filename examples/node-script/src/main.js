// Signs in once (`login`, with EMAIL and PASSWORD); every later run goes on with the kept session.
import { createClient } from "@countersign/client";
import { fileStore } from "./file-store.js";

const {
  ENDPOINT = "http://localhost:4000/graphql",
  SESSION_FILE = ".countersign-session",
  EMAIL = "",
  PASSWORD = "",
} = process.env;

const client = createClient({
  endpoint: ENDPOINT,
  transport: "BODY",
  refreshTokenStore: fileStore(SESSION_FILE),
});

/** @type {Record<string, () => Promise<string>>} */
const commands = {
  async login() {
    const { name } = await client.login({ email: EMAIL, password: PASSWORD });
    return `Signed in as ${name}.`;
  },

  async me() {
    /** @type {{ me: { name: string, role: string } }} */
    const { me } = await client.request("{ me { name role } }");
    return `${me.name}, ${me.role}`;
  },

  async logout() {
    await client.logout();
    return "Signed out.";
  },
};

const { [process.argv[2] ?? "me"]: run } = commands;
try {
  if (run === undefined) throw new Error(`The commands are ${Object.keys(commands).join(", ")}.`);
  process.stdout.write(`${await run()}\n`);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 1;
}

// A page whose policy refuses WebAssembly. A file of its own: nothing may have loaded the core before.

import { createClient } from "@countersign/client";
import { loadTokens } from "@countersign/client/token";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { FakeServer } from "./support/fake-server.js";
import { openPage } from "./support/page.js";
import { sleep, until } from "./support/wait.js";

const ana = { email: "ana@example.com", password: "correct horse battery" };
const refused = new WebAssembly.CompileError("refused by policy");

let server: FakeServer;

beforeEach(async () => {
  server = await FakeServer.start();
  openPage();
  await fetch(server.origin); // Node's own fetch needs WebAssembly, once
  vi.spyOn(WebAssembly, "instantiate").mockRejectedValue(refused);
});

afterEach(() => server.stop());

test("token checks say that there are none", async () => {
  await expect(loadTokens()).rejects.toMatchObject({ code: "WASM_UNAVAILABLE", cause: refused });
});

test("the session renews on demand", async () => {
  server.lifetime = 1;
  const client = createClient({ endpoint: server.endpoint });
  client.session.start();
  await client.login(ana);
  await sleep(1200);
  expect(client.session.state.status).toBe("live");
  expect(server.count("Refresh")).toBe(0);
  expect(await client.session.token()).toBe("access-2");
  expect(WebAssembly.instantiate).toHaveBeenCalled();
  client.session.dispose();
});

test("a restore without network is tried again", async () => {
  localStorage.setItem("countersign:default:session", "in");
  server.once("Refresh", (_, response) => response.destroy());
  const client = createClient({ endpoint: server.endpoint });
  client.session.start();
  await until("it is restored", () => client.session.state.status === "live");
  expect(server.count("Refresh")).toBe(2);
  client.session.dispose();
});

test("what was refused before can be allowed later", async () => {
  vi.restoreAllMocks();
  await expect(loadTokens()).resolves.toBeDefined();
});

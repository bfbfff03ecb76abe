import { once } from "node:events";
import { createServer } from "node:http";
import { after } from "node:test";
import { createApp } from "../../src/app.js";

/** @import { RequestListener } from "node:http" */

/**
 * Serves on a free loopback port until the file's tests are over; gives the address.
 *
 * @param {RequestListener} listener
 */
export async function serve(listener) {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return `http://127.0.0.1:${address.port}`;
}

/**
 * The service under test, served: a function that calls it.
 *
 * @param {Parameters<typeof createApp>[0]} settings
 */
export async function start(settings) {
  const address = await serve(createApp(settings));
  /**
   * @param {string} route for example "GET /me"
   * @param {string} [authorization]
   */
  const call = async (route, authorization) => {
    const [method = "", path] = route.split(" ");
    const headers = authorization === undefined ? {} : { authorization };
    const { status, headers: given } = await fetch(`${address}${path}`, { method, headers });
    return { status, challenge: given.get("www-authenticate") };
  };
  return {
    call,
    /** @param {string} token */
    status: async (token) => (await call("GET /me", `Bearer ${token}`)).status,
  };
}

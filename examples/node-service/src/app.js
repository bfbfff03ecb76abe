import { forbidden, invalid, missing, Refusal, unavailable } from "./refusal.js";
import { createVerifier } from "./tokens.js";

/** @import { IncomingMessage, ServerResponse } from "node:http" */
/** @import { Claims } from "./tokens.js" */

/** Each role may do what those before it may. A role that is not here may do nothing. */
const ROLES = ["USER", "MANAGER", "ADMIN"];

/**
 * A service that lives beside a Countersign server: it verifies access tokens by the server's public keys and asks the
 * server itself before the acts that matter. It makes no call on starting, so it starts while the server is down.
 *
 * @param {{ issuer: string, audience: string, algorithm: string, server: string }} settings `server` is where the server
 *   answers, for example `https://auth.example.com`
 * @returns {(request: IncomingMessage, response: ServerResponse) => Promise<void>}
 */
export function createApp({ server, ...trust }) {
  const verify = createVerifier({ ...trust, jwks: new URL("/.well-known/jwks.json", server) });
  const graphql = new URL("/graphql", server);

  /** @type {Record<string, (claims: Claims, token: string) => unknown>} */
  const routes = {
    // Any good token will do.
    "GET /me": ({ sub, role }) => ({ id: sub, role }),
    // Needs a role.
    "GET /reports": (claims) => {
      requireRole(claims, "MANAGER");
      return { reports: [] };
    },
    // An act that matters: a token whose session has been ended since must not do it.
    "POST /reports": async (claims, token) => {
      requireRole(claims, "MANAGER");
      await requireLive(graphql, claims, token);
      return { published: true };
    },
  };

  return async (request, response) => {
    try {
      const token = bearer(request);
      const claims = await verify(token);
      const route = routes[`${request.method} ${request.url}`];
      const body = route && JSON.stringify(await route(claims, token));
      response.writeHead(route ? 200 : 404, { "content-type": "application/json" }).end(body);
    } catch (error) {
      const refusal = error instanceof Refusal ? error : new Refusal(500, {}, error);
      // biome-ignore lint/suspicious/noConsole: this is a service's log
      if (refusal.status >= 500) console.error(refusal);
      response.writeHead(refusal.status, refusal.headers).end();
    }
  };
}

/** @param {IncomingMessage} request */
function bearer({ headers }) {
  const token = /^bearer +(\S+)$/i.exec(headers.authorization ?? "")?.[1];
  if (!token) throw missing();
  return token;
}

/**
 * Lets the caller pass whose role is `role` or more.
 *
 * @param {Claims} claims
 * @param {string} role
 */
function requireRole(claims, role) {
  if (ROLES.indexOf(claims.role) < ROLES.indexOf(role)) throw forbidden();
}

/**
 * Asks the server whether the session lives and the role is still the one of the token.
 *
 * @param {URL} graphql
 * @param {Claims} claims
 * @param {string} token
 */
async function requireLive(graphql, claims, token) {
  const question = {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({ query: "{ viewer { id } }" }),
    signal: AbortSignal.timeout(5_000),
  };
  /** @type {any} */
  const answer = await fetch(graphql, question)
    .then((response) => response.json())
    .catch((error) => {
      throw unavailable(error);
    });
  if (answer?.data?.viewer?.id === claims.sub) return;
  const isRefused = answer?.errors?.[0]?.extensions?.code === "UNAUTHENTICATED";
  throw isRefused ? invalid("ended or stale") : unavailable(answer);
}

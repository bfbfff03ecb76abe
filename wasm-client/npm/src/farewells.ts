import type { Exchange } from "./exchange.js";
import { read } from "./graphql.js";
import { OUT } from "./memory.js";

const LOGOUT =
  "mutation Logout($refreshToken: String) { auth: logout(refreshToken: $refreshToken) }";
const CALL_LIMIT_MS = 10_000;
/** How long the news of a sign-in takes from tab to tab. */
const NEWS_MS = 100;

/** The sign-outs that the server has not heard of, by their refresh tokens (null for the cookie). */
export interface Farewells {
  add(refreshToken: string | null): void;
  /** Somebody has signed in with the same cookie, which ended the session before. */
  clear(): void;
  /** Tells the server, when it is this tab's turn; one of now (`isOwn`) without delay. Never rejects. */
  send(isOwn: boolean): Promise<void>;
}

/** `retry` is called when the server could not be told now. */
export function createFarewells(
  { isCookie, memory, lock, send }: Exchange,
  retry: () => void,
): Farewells {
  let waiting: (string | null)[] = [];

  /** Whether a sign-out, perhaps another tab's, waits for the server to hear of it. Only a sign-in ends that. */
  const hasLeft = () => memory.get("session") === OUT;

  async function tell(refreshToken: string | null): Promise<void> {
    // Else somebody has signed in since, with the same cookie.
    if (isCookie && !hasLeft()) return;
    read(await send({ query: LOGOUT, variables: { refreshToken }, limitMs: CALL_LIMIT_MS }));
  }

  async function tellAll(): Promise<void> {
    while (waiting.length > 0) {
      const [refreshToken = null] = waiting;
      await tell(refreshToken);
      waiting.shift();
      if (hasLeft()) memory.set("session", "");
    }
  }

  return {
    add(refreshToken) {
      if (!waiting.includes(refreshToken)) waiting.push(refreshToken);
    },
    clear() {
      waiting = [];
    },
    async send(isOwn) {
      if (waiting.length === 0) return;
      const since = performance.now();
      await lock(async () => {
        // Whoever had the lock may have signed in: that is heard of a moment later.
        const isAlone = isOwn && performance.now() - since < NEWS_MS;
        if (isCookie && !isAlone) await new Promise((resolve) => setTimeout(resolve, NEWS_MS));
        await tellAll().catch(retry);
      });
    },
  };
}

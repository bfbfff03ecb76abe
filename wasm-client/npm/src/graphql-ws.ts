import type { ClientOptions } from "graphql-ws";
import { CountersignError, isRenewable } from "./error.js";
import type { Session } from "./types.js";

/** The close code after the event `ENDED`. */
const ENDED = 4410;
const LONGEST_WAIT_MS = 60_000;

/** What `subscriptionOptions` sets of graphql-ws's options. */
export type SubscriptionOptions = Required<
  Pick<ClientOptions, "connectionParams" | "shouldRetry" | "retryAttempts" | "retryWait">
>;

/**
 * Options of graphql-ws's `createClient` for subscriptions in the session's name: each connection is opened with a good
 * token, a refused one is renewed, and a connection that breaks is opened again, slower and slower, until the session is
 * over. graphql-ws itself gives up on 4429 (too many sockets) and on what a program has to correct (docs/session-events.md).
 */
export function subscriptionOptions(session: Session): SubscriptionOptions {
  let sent: string | null = null;
  let refused: string | null = null;
  return {
    async connectionParams() {
      sent = await session.token();
      if (sent !== null && sent === refused) sent = await session.token({ force: true });
      return { token: sent };
    },
    shouldRetry(problem) {
      if (problem instanceof CountersignError) return problem.retriable;
      const { code, reason = "" } = problem as { code?: number; reason?: string };
      if (reason === "TOKEN_MISSING" || reason === "SESSION_ENDED") return false;
      if (isRenewable(reason)) refused = sent;
      return code !== ENDED;
    },
    retryAttempts: Number.POSITIVE_INFINITY,
    retryWait(retries) {
      const longest = Math.min(LONGEST_WAIT_MS, 1000 * 2 ** retries);
      return new Promise((resolve) => setTimeout(resolve, longest * (0.5 + Math.random() / 2)));
    },
  };
}

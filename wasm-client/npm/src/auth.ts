import { CountersignError } from "./error.js";
import type { User } from "./types.js";

/** The answer of every mutation that signs a user in or keeps one signed in. */
export interface AuthPayload {
  user: User;
  accessToken: string;
  /** Seconds. */
  expiresIn: number;
  /** The server's clock, in whole seconds, when it signed the token. RFC 3339, UTC. */
  issuedAt: string;
  sessionId: string;
  /** Null with the transport COOKIE. */
  refreshToken: string | null;
}

/** @throws CountersignError `NETWORK` when the answer is no grant. */
export function checkGrant(payload: AuthPayload): AuthPayload {
  if (typeof payload?.accessToken === "string" && payload.expiresIn > 0) return payload;
  throw new CountersignError("NETWORK", "the server's answer holds no token");
}

/** True when the server itself said that the session cannot go on. A proxy, a timeout or a fault never says so. */
export function endsSession({ code, reason }: CountersignError): boolean {
  return code === "UNAUTHENTICATED" || (code === "FORBIDDEN" && reason === "ACCOUNT_DISABLED");
}

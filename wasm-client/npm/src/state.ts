import type { SessionState } from "./types.js";

/** What is known before anything was asked. */
export const UNKNOWN: SessionState = Object.freeze({
  status: "restoring",
  user: null,
  sessionId: null,
  issuedAt: null,
  expiresAt: null,
  refreshAt: null,
  renewals: 0,
  reason: null,
});

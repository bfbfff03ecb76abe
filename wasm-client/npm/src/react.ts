import { useCallback, useSyncExternalStore } from "react";
import type { Session, SessionState } from "./types.js";

/** What no browser has looked at yet. */
const RESTORING: SessionState = Object.freeze({
  status: "restoring",
  user: null,
  sessionId: null,
  issuedAt: null,
  expiresAt: null,
  refreshAt: null,
  renewals: 0,
  reason: null,
});

/**
 * The session's state; the component renders again when it changes. On the server, and while its page is hydrated, the
 * status is `restoring`. The hook starts nothing: call `session.start()` where the page begins.
 */
export function useSession(session: Session): SessionState {
  const listen = useCallback((listener: () => void) => session.on(listener), [session]);
  return useSyncExternalStore(
    listen,
    () => session.state,
    () => RESTORING,
  );
}

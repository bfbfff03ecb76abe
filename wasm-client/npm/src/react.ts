import { useCallback, useSyncExternalStore } from "react";
import { UNKNOWN } from "./state.js";
import type { Session, SessionState } from "./types.js";

/**
 * The session's state; the component renders again when it changes. On the server, and while its page is hydrated, the
 * status is `restoring`. The hook starts nothing: call `session.start()` where the page begins.
 */
export function useSession(session: Session): SessionState {
  const listen = useCallback((listener: () => void) => session.on(listener), [session]);
  return useSyncExternalStore(
    listen,
    () => session.state,
    () => UNKNOWN,
  );
}

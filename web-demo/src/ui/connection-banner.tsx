import type { SessionState } from "@countersign/client";
import { useSyncExternalStore } from "react";
import { useSession } from "../client.ts";
import { textFor } from "../messages.ts";

function subscribe(notify: () => void): () => void {
  addEventListener("online", notify);
  addEventListener("offline", notify);
  return () => {
    removeEventListener("online", notify);
    removeEventListener("offline", notify);
  };
}

/** Says when the server cannot be reached, and that nobody is signed out by that. Empty while all is well. */
export function ConnectionBanner() {
  const session = useSession();
  const online = useSyncExternalStore(subscribe, () => navigator.onLine);
  return (
    <div className="banner" role="status">
      {sentence(session, online)}
    </div>
  );
}

function sentence({ status, reason, user }: SessionState, online: boolean): string | null {
  if (status === "stale") {
    return "Your token has run out and the server cannot be reached to renew it. You stay signed in; this page keeps trying.";
  }
  if (!online) {
    return user === null
      ? "You are offline."
      : "You are offline. You stay signed in; what you see may be out of date.";
  }
  const why = (reason && textFor(reason)) ?? "The server cannot be reached just now.";
  if (status === "backoff") return `${why} You stay signed in; this page keeps trying.`;
  if (status === "restoring" && reason !== null) {
    return `${why} If you were signed in, you still are; this page keeps trying.`;
  }
  return null;
}

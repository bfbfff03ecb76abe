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
  const { status, reason } = useSession();
  const online = useSyncExternalStore(subscribe, () => navigator.onLine);
  return (
    <div className="banner" role="status">
      {sentence(status, reason, online)}
    </div>
  );
}

function sentence(status: string, reason: string | null, online: boolean): string | null {
  if (status === "stale") {
    return "Your token has run out and the server cannot be reached to renew it. You stay signed in; this page keeps trying.";
  }
  if (!online) return "You are offline. You stay signed in; what you see may be out of date.";
  if (status === "backoff") {
    const why = (reason && textFor(reason)) ?? "The server cannot be reached just now.";
    return `${why} You stay signed in; this page keeps trying.`;
  }
  return null;
}

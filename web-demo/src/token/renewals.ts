import { useSyncExternalStore } from "react";
import { client } from "../client.ts";

/** One line of the log. Times are Unix time in milliseconds on the local clock. */
export interface Renewal {
  readonly at: number;
  readonly number: number;
  readonly expiresAt: number;
}

const KEPT = 6;
let log: readonly Renewal[] = [];
let counted = 0;
const listeners = new Set<() => void>();

/** Starts the log. It belongs to the page as a whole: it goes on while its reader looks at something else. */
export function recordRenewals(): void {
  client.session.on(({ renewals, issuedAt, expiresAt, user }) => {
    if (user === null && log.length > 0) log = [];
    else if (renewals > counted && issuedAt !== null && expiresAt !== null) {
      log = [{ at: issuedAt, number: renewals, expiresAt }, ...log].slice(0, KEPT);
    } else return;
    counted = renewals;
    for (const notify of listeners) notify();
  });
}

function subscribe(notify: () => void): () => void {
  listeners.add(notify);
  return () => listeners.delete(notify);
}

/** The latest renewals, newest first. */
export function useRenewals(): readonly Renewal[] {
  return useSyncExternalStore(subscribe, () => log);
}

import { useEffect, useState } from "react";

/** The lock that the client takes for everything that sets or clears the cookie, and the spare one. */
export const LOCK = "countersign:default";
const SPARE = `${LOCK}:2`;
const LOOK_EVERY_MS = 200;

/** Who holds the client's lock and who waits for it, by the browser's names for tabs. */
export interface Locks {
  readonly holder: string | null;
  readonly waiting: readonly string[];
  /** Who took the spare lock, because the first was held for too long. */
  readonly spareHolder: string | null;
}

const FREE: Locks = { holder: null, waiting: [], spareHolder: null };

/**
 * The browser's name for this tab among holders of locks, learnt by a lock that is held for a moment; null where the browser
 * has no locks, as over plain http.
 */
export async function findClientId(): Promise<string | null> {
  if (!("locks" in navigator)) return null;
  const name = `countersign-demo:${crypto.randomUUID()}`;
  return navigator.locks.request(name, async () => {
    const { held = [] } = await navigator.locks.query();
    return held.find((lock) => lock.name === name)?.clientId ?? null;
  });
}

/** The lock as it stands, looked at five times a second while the page is visible. Looking takes no lock. */
export function useLocks(): Locks {
  const [locks, setLocks] = useState(FREE);
  useEffect(() => {
    const timer = setInterval(async () => {
      if (document.hidden) return;
      const next = await look();
      setLocks((last) => (JSON.stringify(last) === JSON.stringify(next) ? last : next));
    }, LOOK_EVERY_MS);
    return () => clearInterval(timer);
  }, []);
  return locks;
}

async function look(): Promise<Locks> {
  if (!("locks" in navigator)) return FREE;
  const { held = [], pending = [] } = await navigator.locks.query();
  const holderOf = (name: string) => held.find((lock) => lock.name === name)?.clientId ?? null;
  return {
    holder: holderOf(LOCK),
    waiting: pending.filter(({ name }) => name === LOCK).map(({ clientId }) => clientId ?? ""),
    spareHolder: holderOf(SPARE),
  };
}

/** What outlives the page, for all of its tabs: in localStorage where there is one, else in memory. */
export interface Memory {
  /** False where it is known that there is nothing to restore: a first visit costs no request. */
  mayHoldSession(): boolean;
  /**
   * `session` is the session that this browser holds: its id, or `OUT`, or empty after its end; null when nothing is known.
   * `attempt` is the key of the call under way: a repeat with the same key gets the same answer, however late.
   */
  get(name: "session" | "attempt"): string | null;
  set(name: "session" | "attempt", value: string | null): void;
}

/** The user has signed out, and the server still has to be told. */
export const OUT = "out";

/** A new attempt key: 128 random bits as text. */
export function newAttempt(): string {
  return crypto.getRandomValues(new Uint32Array(4)).join("-");
}

/** Opens the memory `prefix`: one that all tabs share, as they do a cookie, or one of this client's own. */
export function openMemory(prefix: string, isShared: boolean): Memory {
  const storage = isShared ? findStorage() : undefined;
  /** What a storage that has filled up since did not take. */
  const kept = new Map<string, string>();
  const get: Memory["get"] = (name) => {
    const key = `${prefix}:${name}`;
    return kept.get(key) ?? storage?.getItem(key) ?? null;
  };
  return {
    mayHoldSession() {
      const session = get("session");
      // A page that may not remember has to ask; a program that is no page starts without a session.
      return session ? session !== OUT : session === null && !storage && isPage();
    },
    get,
    set(name, value) {
      const key = `${prefix}:${name}`;
      kept.delete(key);
      try {
        if (value === null) storage?.removeItem(key);
        else if (storage) storage.setItem(key, value);
        else kept.set(key, value);
      } catch {
        kept.set(key, value ?? "");
      }
    },
  };
}

/** Whether this is a page, with tabs beside it. */
export function isPage(): boolean {
  return typeof document !== "undefined";
}

/** A page's own storage; a server's would be shared by all of its users. Undefined where it is refused or full. */
function findStorage(): Storage | undefined {
  if (!isPage()) return undefined;
  try {
    const probe = "countersign:probe";
    localStorage.setItem(probe, probe.repeat(10));
    localStorage.removeItem(probe);
    return localStorage;
  } catch {
    return undefined;
  }
}

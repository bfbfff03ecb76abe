/** Whether this browser holds a session: signed in, or signed out while the server still has to be told. */
export type Flag = "in" | "out" | null;

/** What outlives the page, for all of its tabs: in localStorage where there is one, else in memory. */
export interface Memory {
  /** False where it is known that there is nothing to restore: a first visit costs no request. */
  readonly mayHoldSession: boolean;
  flag: Flag;
  /** The key of the refresh under way; a repeat with the same key gets the same answer, however late. */
  attempt: string | null;
}

/** 128 bits in hexadecimal, as `newAttempt` writes them. */
const ATTEMPT = /^[0-9a-f]{32}$/;

/** A new attempt key: 128 random bits as text. */
export function newAttempt(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

type Store = Pick<Storage, "getItem" | "setItem" | "removeItem">;

/** Opens the memory of the client `id`: one that all tabs share, as they do a cookie, or one of this client's own. */
export function openMemory(id: string, isShared: boolean): Memory {
  const lasting = isShared ? findStorage() : undefined;
  const store = lasting ?? emptyStore();
  const key = (name: string) => `countersign:${id}:${name}`;
  /** What a storage that has filled up since did not take. */
  const kept = new Map<string, string | null>();
  const read = (name: string) => {
    const value = kept.get(name);
    return value === undefined ? store.getItem(key(name)) : value;
  };
  const write = (name: string, value: string | null) => {
    kept.delete(name);
    try {
      if (value === null) store.removeItem(key(name));
      else store.setItem(key(name), value);
    } catch {
      kept.set(name, value);
    }
  };
  return {
    get mayHoldSession() {
      // A page that may not remember has to ask; a program that is no page starts without a session.
      return this.flag === "in" || (lasting === undefined && typeof document !== "undefined");
    },
    get flag() {
      return read("session") as Flag;
    },
    set flag(value) {
      write("session", value);
    },
    get attempt() {
      // The server would refuse anything else, every time.
      const value = read("attempt");
      return value !== null && ATTEMPT.test(value) ? value : null;
    },
    set attempt(value) {
      write("attempt", value);
    },
  };
}

/** A page's own storage; a server's would be shared by all of its users. Undefined where it is refused or full. */
function findStorage(): Store | undefined {
  if (typeof document === "undefined") return undefined;
  try {
    const probe = "countersign:probe";
    localStorage.setItem(probe, probe.repeat(10));
    localStorage.removeItem(probe);
    return localStorage;
  } catch {
    return undefined;
  }
}

function emptyStore(): Store {
  const kept = new Map<string, string>();
  return {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => void kept.set(key, value),
    removeItem: (key) => void kept.delete(key),
  };
}

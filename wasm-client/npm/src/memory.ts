/** Whether this browser holds a session: signed in, or signed out while the server still has to be told. */
export type Flag = "in" | "out" | null;

/** What outlives the page: in localStorage where there is one, else in memory. */
export interface Memory {
  /** False where it is known that there is nothing to restore: a first visit costs no request. */
  readonly mayHoldSession: boolean;
  flag: Flag;
  /** The key of the refresh under way; a repeat with the same key gets the same answer, however late. */
  attempt: string | null;
}

type Store = Pick<Storage, "getItem" | "setItem" | "removeItem">;

/** Opens the memory of the client `id`. */
export function openMemory(id: string): Memory {
  const lasting = findStorage();
  const store = lasting ?? emptyStore();
  const key = (name: string) => `countersign:${id}:${name}`;
  const write = (name: string, value: string | null) =>
    value === null ? store.removeItem(key(name)) : store.setItem(key(name), value);
  return {
    get mayHoldSession() {
      // A page that may not remember has to ask; a program that is no page starts without a session.
      return this.flag === "in" || (lasting === undefined && typeof document !== "undefined");
    },
    get flag() {
      return store.getItem(key("session")) as Flag;
    },
    set flag(value) {
      write("session", value);
    },
    get attempt() {
      return store.getItem(key("attempt"));
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

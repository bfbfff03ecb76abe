import type { AuthPayload } from "./auth.js";

/** A token that was `age` milliseconds old at the time `at`; `isNew` when it is of another session than before. */
export interface Granted {
  type: "grant";
  grant: AuthPayload;
  age: number;
  /** A tab that is busy hears late. Milliseconds since 1970. */
  at: number;
  isNew: boolean;
}

/** What the tabs of a client tell each other; `hello` asks who has a token. */
export type Message =
  | { type: "hello" }
  | Granted
  | { type: "ended"; sessionId: string; reason: string };

/** Opens the channel `name` between the tabs of a browser; undefined where there is none. */
export function openChannel(
  name: string,
  receive: (message: Message) => void,
): BroadcastChannel | undefined {
  try {
    const channel = new BroadcastChannel(name);
    channel.onmessage = ({ data }) => data && receive(data);
    return channel;
  } catch {
    return undefined;
  }
}

/** Runs `work` when it is its turn: at the latest `limitMs` later, and at once when `news` aborts. */
export type Lock = <T>(work: () => Promise<T>, limitMs?: number, news?: AbortSignal) => Promise<T>;

/** What a tab waits for that holds the lock. Every piece of work bounds its own time, but a frozen tab does not. */
const LIMIT_MS = 15_000;

/**
 * The lock around everything that sets or clears the refresh token, as two of those at once would race for it. Tabs share
 * it by the Web Lock `name`, where there is a name and Web Locks. Whoever waits too long takes turns under a second lock
 * with those who do, and then goes on without: nothing is ever stolen, and no frozen tab stops the others.
 */
export function createLock(name?: string): Lock {
  let last: Promise<unknown> = Promise.resolve();

  async function exclusive<T>(
    work: () => Promise<T>,
    limitMs: number,
    news?: AbortSignal,
  ): Promise<T> {
    for (const lock of name && globalThis.navigator?.locks ? [name, `${name}:2`] : []) {
      const limit = AbortSignal.timeout(limitMs);
      const signal = news ? AbortSignal.any([news, limit]) : limit;
      let turn: Promise<T> | undefined;
      await navigator.locks.request(lock, { signal }, () => (turn = work())).catch(() => {});
      if (turn) return turn;
    }
    return work();
  }

  return (work, limitMs = LIMIT_MS, news) => {
    const run = last.then(() => exclusive(work, limitMs, news));
    last = run.catch(() => {});
    return run;
  };
}

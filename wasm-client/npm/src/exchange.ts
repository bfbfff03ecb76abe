import { stopwatch } from "./clock.js";
import type { JsonAnswer } from "./fetch-json.js";
import { isPage, type Memory, newAttempt, openMemory } from "./memory.js";
import { type Call, post } from "./post.js";
import { createLock, type Granted, type Lock, type Message, openChannel } from "./tabs.js";
import type { ClientOptions } from "./types.js";

/** How long a refresh waits for its turn among the tabs. */
const TURN_LIMIT_MS = 5_000;
/** How long a tab waits for the token of another: a few milliseconds do, but where the processor is busy. */
const HELLO_LIMIT_MS = 100;
/** A refresh that takes longer is given up, and repeated with the same attempt key. */
const CALL_LIMIT_MS = 10_000;

/** The selection, and the end, of a mutation that answers with a grant. */
export const GRANT =
  " { user { id email name role createdAt disabled emailVerified } accessToken expiresIn issuedAt sessionId refreshToken } }";
const REFRESH = `mutation Refresh($refreshToken: String, $attempt: String) { auth: refresh(refreshToken: $refreshToken, attempt: $attempt)${GRANT}`;

/** What came of a refresh: an answer, or why there is none. */
export interface Outcome {
  answer?: JsonAnswer;
  error?: unknown;
  /** How long ago the call was sent, in milliseconds. */
  age(): number;
  /** The session that the browser held then. */
  held: string | null;
}

/** Who refreshes. */
export interface Caller {
  /** Looks whether the call is needed still; it is not once `notify()` was called. */
  look(): void;
  /** Gives the refresh token (null for the cookie), when it is kept beside the attempt key. */
  prepare(): Promise<string | null>;
  /** Takes the outcome over, before another tab gets its turn. */
  take(outcome: Outcome): Promise<void>;
}

/** How a browser, with all of its tabs, or a program gets tokens from the server. */
export interface Exchange {
  readonly isCookie: boolean;
  readonly memory: Memory;
  /** Around everything that sets or clears the refresh token. */
  readonly lock: Lock;
  /** What the other tabs say is heard by this, from now on and since the beginning. */
  listen(hear: (message: Message) => void): void;
  /** Whether the message brings a token of the session that the browser holds. */
  isCurrent(message: Message): message is Granted;
  /** Tells the other tabs. */
  tell(message: Message): void;
  /** A token has come, or the session is over: whoever waits to refresh needs not. */
  notify(): void;
  /** Sends an operation with the session's cookie. */
  send(call: Call): Promise<JsonAnswer>;
  /** The key of the call under way, kept before it is sent: the refresh that repeats a lost one has the same key. */
  attempt(): string;
  /** Refreshes, when it is this tab's turn and still needed. Never rejects. */
  refresh(caller: Caller): Promise<void>;
  /** Hears and tells no more, until `listen()`. */
  close(): void;
}

/** Opens the exchange of a client. */
export function openExchange(options: ClientOptions, url: URL): Exchange {
  const { transport = "COOKIE", id = "default" } = options;
  const isCookie = transport === "COOKIE";
  const name = `countersign:${id}`;
  const memory = openMemory(name, isCookie);
  const lock = createLock(isCookie ? name : undefined);
  const early: Message[] = [];
  let channel: BroadcastChannel | undefined;
  let news = new AbortController();
  let hear = (message: Message): void => {
    early.push(message);
    if (isCurrent(message)) notify();
  };

  const isCurrent: Exchange["isCurrent"] = (message): message is Granted => {
    if (message.type !== "grant" || !message.grant) return false;
    const held = memory.get("session");
    return message.isNew || held === null || held === message.grant.sessionId;
  };

  function notify(): void {
    news.abort();
    news = new AbortController();
  }

  function open(): void {
    if (isCookie && isPage()) channel ??= openChannel(name, (message) => hear(message));
  }

  /** Asks the other tabs for a token; resolves when one has come, or after a moment. */
  async function hello(): Promise<unknown> {
    if (!channel) return;
    channel.postMessage({ type: "hello" });
    const { signal } = news;
    return new Promise((resolve) => {
      signal.addEventListener("abort", resolve);
      setTimeout(resolve, HELLO_LIMIT_MS);
    });
  }

  function attempt(): string {
    const key = memory.get("attempt") ?? newAttempt();
    memory.set("attempt", key);
    return key;
  }

  const send: Exchange["send"] = (call) =>
    post(options.fetch ?? fetch, url, { credentials: isCookie ? "include" : "omit", ...call });

  open();
  return {
    isCookie,
    memory,
    lock,
    notify,
    send,
    attempt,
    listen(next) {
      open();
      hear = next;
      early.splice(0).forEach(next);
    },
    isCurrent,
    tell: (message) => channel?.postMessage(message),
    async refresh({ look, prepare, take }) {
      const { signal } = news;
      const since = performance.now();
      let asked = hello();
      await lock(
        async () => {
          if (signal.aborted) return;
          // Whoever had to queue asks again: the tab that held the lock has a token by now.
          if (performance.now() - since > HELLO_LIMIT_MS) asked = hello();
          await asked;
          look();
          if (signal.aborted) return;
          const key = attempt();
          const refreshToken = await prepare();
          if (signal.aborted) return;
          const held = memory.get("session");
          const age = stopwatch();
          const variables = { refreshToken, attempt: key };
          const outcome = await send({ query: REFRESH, variables, limitMs: CALL_LIMIT_MS }).then(
            (answer) => ({ answer }),
            (error: unknown) => ({ error }),
          );
          if (!signal.aborted) await take({ ...outcome, age, held });
        },
        TURN_LIMIT_MS,
        signal,
      );
    },
    close() {
      channel?.close();
      channel = undefined;
    },
  };
}

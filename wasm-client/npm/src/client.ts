import { abortable } from "./abortable.js";
import type { Engine } from "./engine.js";
import { toCountersignError } from "./error.js";
import { type Exchange, openExchange } from "./exchange.js";
import { OUT } from "./memory.js";
import type { Listeners } from "./session.js";
import { UNKNOWN } from "./state.js";
import type { Client, ClientOptions, Session } from "./types.js";

/** How soon a started session tries again to load what it needs. */
const LOAD_RETRY_MS = 5_000;

/**
 * Makes a client. Nothing is touched or sent before its first use, so this is safe on a server.
 *
 * Its first use loads the engine, and a page's refresh is on its way meanwhile: neither waits for the other.
 */
export function createClient(options: ClientOptions): Client {
  const listeners: Listeners = new Set();
  let exchange: Exchange | undefined;
  let first: Promise<void> | undefined;
  let loading: Promise<Engine> | undefined;
  let engine: Engine | undefined;
  let isStarted = false;

  function load(): Promise<Engine> {
    loading ??= open().catch((error: unknown) => {
      loading = undefined;
      throw error;
    });
    return loading;
  }

  async function open(): Promise<Engine> {
    const url = new URL(options.endpoint, globalThis.location?.href);
    exchange ??= openExchange(options, url);
    if (exchange.isCookie && exchange.memory.mayHoldSession()) first ??= restore(exchange);
    const { openEngine } = await import("./engine.js").catch((cause: unknown) => {
      throw toCountersignError(cause);
    });
    engine = openEngine({ ...options, exchange, url, listeners, first });
    return engine;
  }

  /** Refreshes while the engine is loaded. */
  function restore(exchange: Exchange): Promise<void> {
    return exchange.refresh({
      look: () => engine?.look(),
      prepare: async () => null,
      // Without an engine the answer is lost: its attempt key is kept, and the next call repeats it.
      take: (outcome) =>
        load()
          .then(({ take }) => take(outcome))
          .catch(() => {}),
    });
  }

  /** The engine's method `name`, with the engine loaded before it; a signal among its input ends the wait for that. */
  const via = <K extends keyof Engine>(name: K) =>
    (async (...input: ({ signal?: unknown } | undefined)[]) => {
      const signals = input.map((one) => one?.signal);
      const signal = signals.filter((one) => one instanceof AbortSignal).pop();
      const act = (await abortable(load(), signal))[name] as (...input: unknown[]) => unknown;
      return act(...input);
    }) as Engine[K];

  /** Signs out; without an engine by a note, which the next page makes good. */
  async function signOut(): Promise<void> {
    try {
      await (await load()).signOut();
    } catch (error) {
      if (!exchange?.isCookie) throw error;
      exchange.memory.set("session", OUT);
      exchange.notify();
    }
  }

  const session: Session = {
    get state() {
      return engine ? engine.state : UNKNOWN;
    },
    on(listener) {
      const entry = { listener };
      listeners.add(entry);
      return () => listeners.delete(entry);
    },
    start() {
      isStarted = true;
      load().then(
        ({ start }) => isStarted && start(),
        (error) => {
          if (!error.retriable) throw error;
          setTimeout(() => isStarted && session.start(), LOAD_RETRY_MS);
        },
      );
    },
    dispose() {
      isStarted = false;
      engine?.dispose();
      exchange?.close();
    },
    token: via("token"),
    signOut,
  };
  return {
    session,
    register: via("register"),
    login: via("login"),
    logout: signOut,
    logoutEverywhere: via("logoutEverywhere"),
    changePassword: via("changePassword"),
    reauthenticate: via("reauthenticate"),
    deleteAccount: via("deleteAccount"),
    recover: via("recover"),
    request: via("request"),
    fetch: via("fetch"),
  };
}

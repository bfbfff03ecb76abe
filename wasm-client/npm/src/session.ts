import {
  type AuthPayload,
  CALL_LIMIT_MS,
  checkGrant,
  endsSession,
  GRANT,
  type Send,
} from "./auth.js";
import { createClock } from "./clock.js";
import { CountersignError, toCountersignError } from "./error.js";
import type { Watch } from "./events.js";
import { createHints } from "./hints.js";
import { isPage, type Memory, newAttempt, OUT, openMemory } from "./memory.js";
import * as planner from "./planner.js";
import { createLock, type Lock, type Message, openChannel } from "./tabs.js";
import type { RefreshTokenStore, Session, SessionState, TokenOptions, User } from "./types.js";

/** How soon a sign-out that the server did not hear of is repeated. */
const SIGN_OUT_RETRY_MS = 30_000;
/** How long a refresh waits for the app's store to keep its attempt key. */
const SAVE_LIMIT_MS = 1_000;
/** How long a refresh waits for its turn among the tabs. */
const TURN_LIMIT_MS = 5_000;
/** How long a tab waits for the token of another: a few milliseconds do, but where the processor is busy. */
const HELLO_LIMIT_MS = 100;

/** Within so long after a sleep began the server does not miss anybody, so that a stream proves nothing. */
const SLEEP_MS = 60_000;

const REFRESH = `mutation Refresh($refreshToken: String, $attempt: String) { auth: refresh(refreshToken: $refreshToken, attempt: $attempt)${GRANT}`;
const LOGOUT =
  "mutation Logout($refreshToken: String) { auth: logout(refreshToken: $refreshToken) }";

/** What a session needs of its client. */
export interface SessionOptions {
  send: Send;
  /** The address of `/graphql`. */
  url: () => URL;
  id: string;
  transport: "COOKIE" | "BODY";
  store: RefreshTokenStore | undefined;
  events: boolean | undefined;
}

/** A session, as the rest of this package needs it. */
export interface Core extends Session {
  /** As `token()`, with what came with it. */
  grant(options?: TokenOptions): Promise<AuthPayload | null>;
  /** What replaces a grant that the server refused: of many that were refused together, one renews. */
  successor(refused: AuthPayload, signal?: AbortSignal): Promise<AuthPayload | null>;
  /** Around everything that sets or clears the refresh token. */
  readonly lock: Lock;
  /** Gets a grant by `call`, under the lock, and takes it over: that of a sign-in, or else of this session. */
  obtain(call: () => Promise<AuthPayload>, isSignIn?: boolean): Promise<User>;
  /** The session `sessionId` has ended, here or elsewhere, because of `reason`. */
  ended(sessionId: string | null, reason: string): void;
}

/**
 * Opens a session that carries out what the planner decides. Everything that sets or clears the refresh token runs under one
 * lock; listeners and the app's store are called outside of it, so nothing they do can deadlock.
 */
export function openSession({ send, url, id, transport, store, events }: SessionOptions): Core {
  const isCookie = transport === "COOKIE";
  const name = `countersign:${id}`;
  const clock = createClock();
  const lock = createLock(isCookie ? name : undefined);
  const hints = createHints(
    clock,
    () => look(planner.Ticked),
    () => look(planner.Woke),
  );
  const listeners = new Set<{ listener: (state: SessionState) => void }>();

  let plan: planner.Plan = planner.onDemand;
  let numbers = planner.UNKNOWN;
  let grant: AuthPayload | null = null;
  let renewals = 0;
  let reason: string | null = null;
  let failure: CountersignError | undefined;
  let state = snapshot();

  /** BODY only: what renews the session. */
  let refreshToken: string | null = null;
  let saved: Promise<unknown> = Promise.resolve();
  /** The refresh tokens (null for the cookie) of sign-outs that the server has not heard of. */
  let farewells: (string | null)[] = [];
  /** Rises whenever the session becomes another one, so that an answer to the one before is dropped. */
  let epoch = 0;

  /** COOKIE only: the other tabs. */
  let channel: BroadcastChannel | undefined;
  /** Aborts when a token has come, from wherever, and another takes its place. */
  let news = new AbortController();

  /** The session whose end and changes are listened for. */
  let watched: string | null = null;
  let watch: Watch | undefined;

  let memory: Memory;
  let isStarted = false;
  let beginning: Promise<void> | undefined;
  let flight: Promise<void> | undefined;
  let _loading: Promise<void> | undefined;

  /** Learns, once, whether there may be a session to restore. Nothing outside of this object is touched before. */
  function begin(): Promise<void> {
    beginning ??= open().catch((error: unknown) => {
      beginning = undefined;
      throw error;
    });
    return beginning;
  }

  async function open(): Promise<void> {
    clock.settle();
    memory = openMemory(name, isCookie);
    let restorable = memory.mayHoldSession();
    if (!isCookie) {
      const [token, attempt] = (await store?.get())?.split(" ") ?? [];
      refreshToken = token || null;
      memory.set("attempt", attempt ?? null);
      restorable = refreshToken !== null;
    } else if (hasLeft()) farewells.push(null);
    listen();
    step(planner.Started, restorable ? 1 : 0);
  }

  function listen(): void {
    if (isCookie && isPage()) channel ??= openChannel(name, hear);
  }

  function hear(message: Message): void {
    const { type } = message;
    if (type === "ended") ended(message.sessionId, message.reason, true);
    else if (type === "grant") {
      const { grant: heard, age, isNew } = message;
      const isCurrent = isNew || heard?.sessionId === memory.get("session");
      if (isCurrent && isLater(heard)) take(heard, age, true);
    } else if (grant && clock.now() < numbers[2]) tell(false);
  }

  /** Whether a grant that was heard of is another than this tab's, and not an older one of the same session. */
  function isLater(heard: AuthPayload): boolean {
    if (heard.sessionId !== grant?.sessionId) return true;
    return heard.accessToken !== grant.accessToken && heard.issuedAt >= grant.issuedAt;
  }

  /** Gives the other tabs this one's grant. */
  function tell(isNew: boolean): void {
    if (grant) channel?.postMessage({ type: "grant", grant, age: clock.now() - numbers[1], isNew });
  }

  async function getGrant({
    minTtlMs = 0,
    force = false,
    signal,
  }: TokenOptions = {}): Promise<AuthPayload | null> {
    signal?.throwIfAborted();
    await abortable(begin(), signal);
    const refused = force || follow() ? grant : undefined;
    const { action, at } = step(refused ? planner.Forced : planner.Wanted, minTtlMs);
    if (action === planner.Fail) throw cannotTell(at);
    if (action === planner.Renew) void refresh();
    if (action === planner.Refresh) {
      await abortable(refresh(), signal);
      const isGood = grant !== refused && clock.now() < numbers[2];
      if (!isGood && !isOver()) throw cannotTell(numbers[5]);
    }
    return grant;
  }

  /** One step of the planner: remembers the new state and tells the listeners. */
  function step(event: number, value = 0, extra = 0): { action: number; at: number } {
    const random = (Math.random() * 2 ** 32) >>> 0;
    const run = () => Array.from(plan(numbers, event, value, extra, clock.now(), random));
    let answer: number[];
    try {
      answer = run();
    } catch {
      plan = planner.onDemand;
      answer = run();
    }
    numbers = answer.slice(0, 6) as unknown as planner.Numbers;
    publish();
    const [action = planner.Nothing, at = 0] = answer.slice(6);
    return { action, at };
  }

  /** Steps, and does what the session does by itself. */
  function advance(event: number, value = 0, extra = 0): void {
    const { action, at } = step(event, value, extra);
    if (action === planner.Refresh) void refresh();
    if (action === planner.Wait) hints.arm(at);
  }

  function look(event: number): void {
    advance(follow() ? planner.Forced : event);
    if (event === planner.Woke) loadPlanner();
    void sendFarewells();
  }

  /**
   * Follows what other tabs have done, where this one was frozen and did not hear of it; true when the browser holds another
   * session than this tab's by now.
   */
  function follow(): boolean {
    const held = isCookie ? memory.get("session") : null;
    if (grant && held === null) remember(); // the app has emptied its storage
    if (held === null || held === grant?.sessionId) return false;
    const isHeld = held !== "" && held !== OUT;
    if (isOver() && isHeld) step(planner.Started, 1);
    if (isOver() || isHeld) return grant !== null;
    // Perhaps nobody is left of those who signed out.
    if (held === OUT) farewells.push(null);
    close(grant ? planner.SignedOut : planner.Refused, 1, grant && "LOGGED_OUT");
    void sendFarewells();
    return false;
  }

  /** The one refresh under way. It never rejects: its outcome is in the state. */
  function refresh(): Promise<void> {
    flight ??= renew(epoch, grant).finally(() => {
      flight = undefined;
    });
    return flight;
  }

  async function renew(turn: number, known: AuthPayload | null): Promise<void> {
    const isSettled = () => turn !== epoch || grant !== known;
    if (clock.slept > SLEEP_MS && (await watch?.stands())) {
      clock.wasAwake();
      resume();
      return;
    }
    let asked = hello();
    const since = performance.now();
    await lock(
      async () => {
        // Whoever had to queue asks again: the tab that held the lock has a token by now.
        if (performance.now() - since > HELLO_LIMIT_MS) asked = hello();
        await asked;
        follow();
        if (!isSettled()) await call(isSettled);
      },
      TURN_LIMIT_MS,
      news.signal,
    );
  }

  /** Asks the other tabs for a token; resolves when one has come, or after a moment. */
  async function hello(): Promise<void> {
    if (!channel) return;
    const { signal } = news;
    channel.postMessage({ type: "hello" });
    await within(
      new Promise((resolve) => signal.addEventListener("abort", resolve)),
      HELLO_LIMIT_MS,
    );
  }

  async function call(isSettled: () => boolean): Promise<void> {
    // Kept before it is sent: the repeat of a lost refresh has the same key.
    const attempt = memory.get("attempt") ?? newAttempt();
    memory.set("attempt", attempt);
    keep();
    await within(saved, SAVE_LIMIT_MS);
    if (isSettled()) return;
    const held = memory.get("session");
    const sentAt = clock.now();
    let payload: AuthPayload | undefined;
    let error: unknown;
    try {
      const variables = { refreshToken, attempt };
      payload = checkGrant(await send({ query: REFRESH, variables, limitMs: CALL_LIMIT_MS }));
    } catch (cause) {
      error = cause;
    }
    const holds = memory.get("session");
    // Else another tab has signed in or out meanwhile.
    const isCurrent = holds === held || holds === payload?.sessionId;
    if (!isCurrent) follow();
    if (isSettled()) return;
    if (!payload || !isCurrent) fail(toCountersignError(isCurrent ? error : undefined));
    else accept(payload, sentAt, true, grant !== null && grant.sessionId !== payload.sessionId);
  }

  /** Takes over a grant of the server's own. */
  function accept(payload: AuthPayload, sentAt: number, isRenewal: boolean, isNew: boolean): void {
    refreshToken = payload.refreshToken;
    memory.set("attempt", null);
    take(payload, clock.now() - sentAt, isRenewal);
    remember();
    keep();
    tell(isNew);
  }

  /** Takes over a grant that was asked for `age` milliseconds ago. */
  function take(payload: AuthPayload, age: number, isRenewal: boolean): void {
    if (payload.sessionId !== grant?.sessionId) epoch += 1;
    else if (isRenewal) renewals += 1;
    grant = payload;
    reason = null;
    failure = undefined;
    clock.settle();
    advance(planner.Granted, payload.expiresIn * 1000, clock.now() - age);
    loadPlanner();
    news.abort();
    news = new AbortController();
  }

  function fail(error: CountersignError): void {
    const why = error.reason ?? error.code;
    if (endsSession(error)) {
      const missing = error.reason === "REFRESH_MISSING";
      const quietly = missing && state.status === "restoring";
      end(planner.Refused, missing ? 1 : 0, quietly ? null : why);
      return;
    }
    if (error.reason === "ATTEMPT_INVALID") memory.set("attempt", null);
    failure = error;
    reason = why;
    advance(planner.Failed, error.retryAfter === undefined ? -1 : error.retryAfter * 1000);
    loadPlanner();
  }

  /** Ends the session in all tabs. */
  function end(event: number, value: number, why: string | null): void {
    const sessionId = grant?.sessionId;
    if (sessionId) channel?.postMessage({ type: "ended", sessionId, reason: why ?? "LOGGED_OUT" });
    memory.set("attempt", null);
    if (isCookie && (!sessionId || memory.get("session") === sessionId)) memory.set("session", "");
    close(event, value, why);
  }

  /** Ends the session in this tab; what the tabs share may be of one that began meanwhile. */
  function close(event: number, value: number, why: string | null): void {
    epoch += 1;
    grant = refreshToken = null;
    reason = why;
    keep();
    advance(event, value);
  }

  function ended(sessionId: string | null, why: string, isTold = false): void {
    if (!grant || grant.sessionId !== sessionId) return;
    if (isTold) close(planner.SignedOut, 0, why);
    else end(planner.SignedOut, 0, why);
  }

  async function obtain(call: () => Promise<AuthPayload>, isSignIn = false): Promise<User> {
    await begin();
    const { user } = await lock(async () => {
      const sentAt = clock.now();
      const payload = await call();
      // Else this session was signed out meanwhile, with a refresh token that is now worthless.
      const isOurs = isSignIn || payload.sessionId === state.sessionId;
      if (isOurs) {
        // The server ends the session of a cookie that came along, not that of a token that did not.
        if (isSignIn && isCookie) farewells = [];
        else if (isSignIn && refreshToken !== null) farewells.push(refreshToken);
        accept(payload, sentAt, false, isSignIn);
      } else farewells.push(payload.refreshToken);
      return payload;
    });
    void sendFarewells();
    await saved;
    return user;
  }

  async function signOut(): Promise<void> {
    await begin();
    if (!isOver()) {
      farewells.push(refreshToken);
      end(planner.SignedOut, 0, null);
      if (isCookie) memory.set("session", OUT);
    }
    await sendFarewells();
  }

  /** Whether a sign-out, perhaps another tab's, waits for the server to hear of it. Only a sign-in ends that. */
  function hasLeft(): boolean {
    return memory.get("session") === OUT;
  }

  async function sendFarewells(): Promise<void> {
    if (farewells.length === 0) return;
    await lock(async () => {
      while (farewells.length > 0) {
        const [refreshToken = null] = farewells;
        try {
          // Else somebody has signed in since, with the same cookie.
          if (!isCookie || hasLeft())
            await send({ query: LOGOUT, variables: { refreshToken }, limitMs: CALL_LIMIT_MS });
        } catch {
          hints.arm(clock.now() + SIGN_OUT_RETRY_MS);
          return;
        }
        farewells.shift();
        if (hasLeft()) memory.set("session", "");
      }
    });
  }

  /** COOKIE only: remembers, for all tabs, which session it is. */
  function remember(): void {
    if (isCookie && grant) memory.set("session", grant.sessionId);
  }

  /**
   * BODY only: keeps the refresh token, and beside it the key of the refresh under way. The app's store is slow or broken at
   * its own risk: memory serves this run.
   */
  function keep(): void {
    if (isCookie) return;
    const attempt = memory.get("attempt");
    const text = refreshToken && attempt ? `${refreshToken} ${attempt}` : refreshToken;
    saved = saved.then(() => store?.set(text)).catch(() => {});
  }

  function isOver(): boolean {
    return state.status === "anonymous" || state.status === "signed-out";
  }

  /** Listens for what happens to the session elsewhere, while it is started and somebody is signed in. */
  function attend(): void {
    const sessionId = isStarted && (events ?? isPage()) ? state.sessionId : null;
    if (sessionId === watched) return;
    watched = sessionId;
    watch?.close();
    watch = undefined;
    if (sessionId === null) return;
    import("./events.js").then(
      ({ Watch }) => {
        if (sessionId === watched) watch ??= new Watch(core, sessionId, url());
      },
      () => {
        watched = null; // the network is away: the next change of state tries again
      },
    );
  }

  /** Hands over to the WASM core's planner: after the first call, so that none waits for it. */
  function loadPlanner(): void {
    if (!isStarted || isOver()) return;
    _loading ??= import("./wasm/core.js")
      .then(({ loadCore }) => loadCore())
      .then((run) => {
        plan = (numbers, ...event) => run((wasm) => wasm.plan([...numbers], ...event));
        // It sets its own time for the token that `onDemand` was granted.
        if (state.status === "live") resume();
        else hints.arm(clock.now());
      })
      .catch(() => {
        // Where WebAssembly is refused the session renews on demand.
        _loading = undefined;
      });
  }

  /** Lets the planner see the current token as if it had just come. */
  function resume(): void {
    advance(planner.Granted, numbers[2] - numbers[1], numbers[1]);
  }

  function publish(): void {
    const next = snapshot();
    if (JSON.stringify(next) === JSON.stringify(state)) return;
    state = next;
    attend();
    for (const entry of listeners) {
      queueMicrotask(() => {
        if (listeners.has(entry)) entry.listener(next);
      });
    }
  }

  function snapshot(): SessionState {
    const [status, sentAt, expiresAt, refreshAt] = numbers;
    return Object.freeze({
      status: planner.STATUSES[status] ?? "restoring",
      user: grant?.user ?? null,
      sessionId: grant?.sessionId ?? null,
      issuedAt: grant && sentAt,
      expiresAt: grant && expiresAt,
      refreshAt: grant && refreshAt,
      renewals,
      reason,
    });
  }

  function cannotTell(at: number): CountersignError {
    const { code, message, reason } = toCountersignError(failure);
    const wait = Math.ceil((at - clock.now()) / 1000);
    return new CountersignError(code, message, {
      cause: failure,
      ...(reason !== undefined && { reason }),
      ...(wait > 0 && { retryAfter: wait }),
    });
  }

  const core: Core = {
    get state() {
      return state;
    },
    on(listener) {
      const entry = { listener };
      listeners.add(entry);
      return () => listeners.delete(entry);
    },
    start() {
      if (isStarted) return;
      isStarted = true;
      hints.start();
      attend();
      begin().then(
        () => {
          if (!isStarted) return;
          listen();
          look(planner.Ticked);
        },
        () => {}, // the app's store failed: token() will say so
      );
    },
    dispose() {
      isStarted = false;
      hints.stop();
      attend();
      channel?.close();
      channel = undefined;
    },
    token: async (options) => (await getGrant(options))?.accessToken ?? null,
    grant: getGrant,
    async successor(refused, signal) {
      const current = await getGrant({ signal });
      if (current?.accessToken !== refused.accessToken) return current;
      return getGrant({ force: true, signal });
    },
    lock,
    obtain,
    ended,
    signOut,
  };
  return core;
}

/** Resolves with the promise, or after `limitMs`. */
async function within(promise: Promise<unknown>, limitMs: number): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = new Promise((resolve) => {
    timer = setTimeout(resolve, limitMs);
  });
  await Promise.race([promise, limit]);
  clearTimeout(timer);
}

/** The promise's outcome, or the signal's reason if that aborts first; the work goes on for others. */
function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
    if (signal.aborted) stop();
  });
}

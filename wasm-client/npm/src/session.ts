import { abortable } from "./abortable.js";
import type { AuthPayload } from "./auth.js";
import { checkGrant, endsSession } from "./auth.js";
import { createClock, stopwatch } from "./clock.js";
import { CountersignError, toCountersignError } from "./error.js";
import type { Watch } from "./events.js";
import type { Exchange, Outcome } from "./exchange.js";
import { createFarewells } from "./farewells.js";
import { read } from "./graphql.js";
import { createHints } from "./hints.js";
import { isPage, OUT } from "./memory.js";
import * as planner from "./planner.js";
import type { Lock, Message } from "./tabs.js";
import type { ClientOptions, Session, SessionState, TokenOptions, User } from "./types.js";

/** How soon a sign-out that the server did not hear of is repeated. */
const SIGN_OUT_RETRY_MS = 30_000;
/** How long a refresh waits for the app's store to keep its attempt key. */
const SAVE_LIMIT_MS = 1_000;
/** Within so long after a sleep began the server does not miss anybody, so that a stream proves nothing. */
const SLEEP_MS = 60_000;
/** How long the news of a sign-in takes from tab to tab by the storage, at most. */
const LAG_MS = 1_000;

/** Who is told of changes. */
export type Listeners = Set<{ listener: (state: SessionState) => void }>;

/** What a session needs of its client. */
export interface SessionOptions extends Pick<ClientOptions, "refreshTokenStore" | "events"> {
  exchange: Exchange;
  /** The address of `/graphql`. */
  url: URL;
  listeners: Listeners;
  /** The refresh that is under way. */
  first: Promise<void> | undefined;
}

/** A session, as the rest of this package needs it. */
export interface Core extends Omit<Session, "on"> {
  /** As `token()`, with what came with it. */
  grant(options?: TokenOptions): Promise<AuthPayload | null>;
  /** What replaces a grant that the server refused: of many that were refused together, one renews. */
  successor(refused: AuthPayload, signal?: AbortSignal): Promise<AuthPayload | null>;
  /** Around everything that sets or clears the refresh token. */
  readonly lock: Lock;
  /** The key of the call under way, kept before it is sent: where its answer is lost, the next refresh gets it. */
  attempt(): Promise<string>;
  /** Gets a grant by `call`, under the lock, and takes it over: that of a sign-in, or else of this session. */
  obtain(call: () => Promise<AuthPayload>, isSignIn?: boolean): Promise<User>;
  /** Follows what other tabs have done. */
  look(): void;
  /** Takes over what came of a refresh. */
  take(outcome: Outcome): Promise<void>;
  /** The session `sessionId` has ended, here or elsewhere, because of `reason`. */
  ended(sessionId: string | null, reason: string): void;
}

/**
 * Opens a session that carries out what the planner decides. Everything that sets or clears the refresh token runs under one
 * lock; listeners and the app's store are called outside of it, so nothing they do can deadlock.
 */
export function openSession({
  exchange,
  url,
  listeners,
  first,
  refreshTokenStore: store,
  events = isPage(),
}: SessionOptions): Core {
  const { isCookie, memory, lock } = exchange;
  const clock = createClock();
  const hints = createHints(
    clock,
    () => look(planner.Ticked),
    () => look(planner.Woke),
  );
  const farewells = createFarewells(exchange, () => hints.arm(clock.now() + SIGN_OUT_RETRY_MS));

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
  /** When a sign-in in another tab was heard of, by `performance.now()`, and which session ended last. */
  let newsAt = Number.NEGATIVE_INFINITY;
  let gone: string | undefined;

  /** The session whose end and changes are listened for. */
  let watched: string | null = null;
  let watch: Watch | undefined;

  let isStarted = false;
  let beginning: Promise<void> | undefined;
  let flight = first?.finally(land);
  let isLoading = false;

  /** Learns, once, whether there may be a session to restore. */
  function begin(): Promise<void> {
    beginning ??= open().catch((error: unknown) => {
      beginning = undefined;
      throw error;
    });
    return beginning;
  }

  async function open(): Promise<void> {
    let restorable = memory.mayHoldSession();
    if (!isCookie) {
      const [token, attempt] = (await store?.get())?.split(" ") ?? [];
      refreshToken = token || null;
      memory.set("attempt", attempt ?? null);
      restorable = refreshToken !== null;
    } else if (memory.get("session") === OUT) farewells.add(null);
    step(planner.Started, restorable ? 1 : 0);
    exchange.listen(hear);
  }

  function hear(message: Message): void {
    if (message.type === "ended") ended(message.sessionId, message.reason, true);
    else if (exchange.isCurrent(message)) {
      if (!isLater(message.grant)) return;
      const late = Math.max(0, Date.now() - message.at);
      take(message.grant, message.age + late, true);
      if (!message.isNew) return;
      farewells.clear();
      newsAt = performance.now();
    } else if (message.type === "hello" && grant && clock.now() < numbers[2]) tell(grant, false);
  }

  /** Whether a grant that was heard of is another than this tab's, and not an older one of the same session. */
  function isLater(heard: AuthPayload): boolean {
    if (heard.sessionId !== grant?.sessionId) return true;
    return heard.accessToken !== grant.accessToken && heard.issuedAt >= grant.issuedAt;
  }

  /** Gives the other tabs a grant. */
  function tell(grant: AuthPayload, isNew: boolean): void {
    const age = clock.now() - numbers[1];
    exchange.tell({ type: "grant", grant, age, at: Date.now(), isNew });
  }

  async function getGrant({
    minTtlMs = 0,
    force = false,
    signal,
  }: TokenOptions = {}): Promise<AuthPayload | null> {
    signal?.throwIfAborted();
    await abortable(begin(), signal);
    follow();
    const refused = force ? grant : undefined;
    const { action, at } = step(refused ? planner.Forced : planner.Wanted, minTtlMs);
    if (action === planner.Fail) throw cannotTell(at);
    if (action === planner.Renew) void refresh(false);
    if (action === planner.Refresh) {
      await abortable(refresh(refused !== undefined), signal);
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
    if (action === planner.Refresh) void refresh(event === planner.Forced);
    if (action === planner.Wait) hints.arm(at);
  }

  function look(event: number): void {
    follow();
    advance(event);
    if (event === planner.Woke) loadPlanner();
    sayFarewell();
  }

  /** Tells the server of sign-outs, and of another tab's that may have been closed since. */
  function sayFarewell(): void {
    if (isCookie && isOver() && memory.get("session") === OUT) farewells.add(null);
    void farewells.send(false);
  }

  /** Follows what other tabs have done, where this one was frozen and did not hear of it. */
  function follow(): void {
    // Storage lags behind the channel: for a moment it may say what was before.
    if (!isCookie || performance.now() - newsAt < LAG_MS) return;
    const held = memory.get("session");
    if (grant && held === null) remember(); // the app has emptied its storage
    if (held === null || held === gone || held === grant?.sessionId) return;
    if (held !== "" && held !== OUT) {
      // Nothing of the session before is shown while the new one's token is on its way.
      if (grant) numbers = planner.UNKNOWN;
      grant = null;
      if (isOver() || numbers === planner.UNKNOWN) step(planner.Started, 1);
    } else if (!isOver()) {
      close(grant ? planner.SignedOut : planner.Refused, 1, grant && "LOGGED_OUT");
      sayFarewell();
    }
  }

  /** The one refresh under way. It never rejects: its outcome is in the state. */
  function refresh(isForced: boolean): Promise<void> {
    flight ??= renew(isForced).finally(land);
    return flight;
  }

  function land(): void {
    flight = undefined;
  }

  async function renew(isForced: boolean): Promise<void> {
    const isDoubtful = !isForced && clock.slept > SLEEP_MS;
    if (isDoubtful && (await watch?.stands())) {
      clock.wasAwake();
      resume();
    } else await exchange.refresh({ look: follow, prepare, take: settle });
  }

  async function prepare(): Promise<string | null> {
    keep();
    await within(saved, SAVE_LIMIT_MS);
    return refreshToken;
  }

  async function attempt(): Promise<string> {
    const key = exchange.attempt();
    await prepare();
    return key;
  }

  /** Takes over what came of a refresh. */
  async function settle({ answer, error, age, held }: Outcome): Promise<void> {
    await begin();
    const holds = memory.get("session");
    try {
      if (!answer) throw error;
      const payload = checkGrant(read<{ auth: AuthPayload }>(answer).auth);
      if (holds !== held && holds !== payload.sessionId) throw undefined;
      accept(payload, age(), true, grant !== null && grant.sessionId !== payload.sessionId);
    } catch (cause) {
      // Another tab may have signed in or out meanwhile.
      follow();
      if (!isOver()) fail(toCountersignError(holds === held ? cause : undefined));
    }
  }

  /** Takes over a grant of the server's own. */
  function accept(payload: AuthPayload, age: number, isRenewal: boolean, isNew: boolean): void {
    refreshToken = payload.refreshToken;
    memory.set("attempt", null);
    take(payload, age, isRenewal);
    remember();
    keep();
    tell(payload, isNew);
  }

  /** Takes over a grant that was asked for `age` milliseconds ago. */
  function take(payload: AuthPayload, age: number, isRenewal: boolean): void {
    if (isRenewal && payload.sessionId === grant?.sessionId) renewals += 1;
    grant = payload;
    reason = null;
    failure = undefined;
    clock.settle();
    advance(planner.Granted, payload.expiresIn * 1000, Math.round(clock.now() - age));
    loadPlanner();
    exchange.notify();
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
    if (sessionId) exchange.tell({ type: "ended", sessionId, reason: why ?? "LOGGED_OUT" });
    memory.set("attempt", null);
    if (isCookie && (!sessionId || memory.get("session") === sessionId)) memory.set("session", "");
    close(event, value, why);
  }

  /** Ends the session in this tab; what the tabs share may be of one that began meanwhile. */
  function close(event: number, value: number, why: string | null): void {
    gone = grant?.sessionId ?? gone;
    grant = refreshToken = null;
    reason = why;
    keep();
    exchange.notify();
    advance(event, value);
  }

  function ended(sessionId: string | null, why: string, isTold = false): void {
    if (!grant || grant.sessionId !== sessionId) return;
    // What the tabs share is then the new session's, or about to be.
    if (isTold || why === "SESSION_REPLACED") close(planner.SignedOut, 0, why);
    else end(planner.SignedOut, 0, why);
  }

  async function obtain(call: () => Promise<AuthPayload>, isSignIn = false): Promise<User> {
    await begin();
    const { user } = await lock(async () => {
      const age = stopwatch();
      const payload = await call();
      // Else this session was signed out meanwhile, with a refresh token that is now worthless.
      const isOurs = isSignIn || payload.sessionId === state.sessionId;
      if (isOurs) {
        // The server ends the session of a cookie that came along, not that of a token that did not.
        if (isSignIn && isCookie) farewells.clear();
        else if (isSignIn && refreshToken !== null) farewells.add(refreshToken);
        accept(payload, age(), false, isSignIn);
      } else farewells.add(payload.refreshToken);
      return payload;
    });
    void farewells.send(false);
    await saved;
    return user;
  }

  async function signOut(): Promise<void> {
    await begin();
    if (!isOver()) {
      farewells.add(refreshToken);
      end(planner.SignedOut, 0, null);
      if (isCookie) memory.set("session", OUT);
    }
    await farewells.send(true);
    await saved;
  }

  /** COOKIE only: remembers, for all tabs, which session it is. */
  function remember(): void {
    if (isCookie && grant) memory.set("session", grant.sessionId);
  }

  /**
   * BODY only: keeps the refresh token, and beside it the key of the call under way. The app's store is slow or broken at
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
    const sessionId = isStarted && events ? state.sessionId : null;
    if (sessionId === watched) return;
    watched = sessionId;
    watch?.close();
    watch = undefined;
    if (sessionId === null) return;
    import("./events.js").then(
      ({ Watch }) => {
        if (sessionId === watched) watch ??= new Watch(core, sessionId, url);
      },
      () => {
        watched = null; // the network is away: the next change of state tries again
      },
    );
  }

  /** Hands over to the WASM core's planner: after the first call, so that none waits for it. */
  function loadPlanner(): void {
    if (!isStarted || isOver() || isLoading) return;
    isLoading = true;
    import("./wasm/core.js")
      .then(({ loadCore }) => loadCore())
      .then((run) => {
        plan = (numbers, ...event) => run((wasm) => wasm.plan([...numbers], ...event));
        // It sets its own time for the token that `onDemand` was granted.
        if (state.status === "live") resume();
        else hints.arm(clock.now());
      })
      .catch(() => {
        // Where WebAssembly is refused the session renews on demand.
        isLoading = false;
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
    start() {
      if (isStarted) return;
      isStarted = true;
      hints.start();
      attend();
      begin().then(
        () => {
          if (!isStarted) return;
          exchange.listen(hear);
          look(planner.Ticked);
        },
        () => {}, // the app's store failed: token() will say so
      );
    },
    dispose() {
      isStarted = false;
      hints.stop();
      attend();
      exchange.close();
    },
    token: async (options) => (await getGrant(options))?.accessToken ?? null,
    grant: getGrant,
    async successor(refused, signal) {
      const current = await getGrant({ signal });
      if (current?.accessToken !== refused.accessToken) return current;
      return getGrant({ force: true, signal });
    },
    lock,
    attempt,
    obtain,
    look: follow,
    take: settle,
    ended,
    signOut,
  };
  clock.settle();
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

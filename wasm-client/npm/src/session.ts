import { type AuthApi, type AuthPayload, endsSession } from "./auth.js";
import { CountersignError, toCountersignError } from "./error.js";
import type { Watch } from "./events.js";
import { createHints } from "./hints.js";
import { createLock } from "./lock.js";
import { type Memory, newAttempt, openMemory } from "./memory.js";
import * as planner from "./planner.js";
import type { RefreshTokenStore, Session, SessionState, TokenOptions, User } from "./types.js";

/** How soon a sign-out that the server did not hear of is repeated. */
const SIGN_OUT_RETRY_MS = 30_000;
/** How long a refresh waits for the app's store to keep its attempt key. */
const SAVE_LIMIT_MS = 1_000;

/** What a session needs of its client. */
export interface SessionOptions {
  api: AuthApi;
  /** The address of `/graphql`. */
  url: () => URL;
  id: string;
  transport: "COOKIE" | "BODY";
  store: RefreshTokenStore | undefined;
  events: boolean | undefined;
}

/**
 * Carries out what the planner decides. Everything that sets or clears the refresh token runs under one lock; listeners
 * and the app's store are called outside of it, so nothing they do can deadlock.
 */
export class PlannedSession implements Session {
  readonly #options: SessionOptions;
  /** Around everything that sets or clears the refresh token. */
  readonly lock = createLock();
  readonly #hints = createHints(
    () => this.#look(planner.Ticked),
    () => this.#look(planner.Woke),
  );
  readonly #listeners = new Set<(state: SessionState) => void>();

  #plan: planner.Plan = planner.onDemand;
  #numbers = planner.UNKNOWN;
  #state: SessionState = snapshot(planner.UNKNOWN, null, 0, null);
  #grant: AuthPayload | null = null;
  #renewals = 0;
  #reason: string | null = null;
  #failure: CountersignError | undefined;

  /** BODY only: what renews the session. */
  #refreshToken: string | null = null;
  /** The refresh tokens (null for the cookie) of sign-outs that the server has not heard of. */
  #farewells: (string | null)[] = [];
  /** Rises whenever the session becomes another one, so that an answer to the one before is dropped. */
  #epoch = 0;

  /** The session whose end and changes are listened for. */
  #watched: string | null = null;
  #watch: Watch | undefined;

  #started = false;
  #beginning: Promise<void> | undefined;
  #flight: Promise<void> | undefined;
  #loading: Promise<void> | undefined;
  #saved: Promise<unknown> = Promise.resolve();
  #openedMemory: Memory | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  get state(): SessionState {
    return this.#state;
  }

  on(listener: (state: SessionState) => void): () => void {
    const entry = (state: SessionState) => listener(state);
    this.#listeners.add(entry);
    return () => this.#listeners.delete(entry);
  }

  start(): void {
    if (this.#started) return;
    this.#started = true;
    this.#hints.start();
    this.#attend();
    this.#begin().then(
      () => {
        if (this.#started) this.#look(planner.Ticked);
      },
      () => {}, // the app's store failed: token() will say so
    );
  }

  dispose(): void {
    this.#started = false;
    this.#hints.stop();
    this.#attend();
  }

  async token(options?: TokenOptions): Promise<string | null> {
    return (await this.grant(options))?.accessToken ?? null;
  }

  /** As `token()`, with what came with it. */
  async grant({
    minTtlMs = 0,
    force = false,
    signal,
  }: TokenOptions = {}): Promise<AuthPayload | null> {
    signal?.throwIfAborted();
    await abortable(this.#begin(), signal);
    const { action, at } = force
      ? this.#step(planner.Forced)
      : this.#step(planner.Wanted, minTtlMs);
    if (action === planner.Fail) throw this.#cannotTell(at);
    if (action === planner.Refresh) {
      const refused = force ? this.#grant : undefined;
      await abortable(this.#refresh(), signal);
      const isGood = this.#grant !== refused && Date.now() < (this.#state.expiresAt ?? 0);
      if (!isGood && !this.#isOver()) throw this.#cannotTell(this.#numbers[5] ?? 0);
    }
    return this.#grant;
  }

  /** What replaces a grant that the server refused: of many that were refused together, one renews. */
  async successor(refused: AuthPayload, signal?: AbortSignal): Promise<AuthPayload | null> {
    const current = await this.grant({ signal });
    if (current?.accessToken !== refused.accessToken) return current;
    return this.grant({ force: true, signal });
  }

  /** Signs in by the mutation `name`; the answer's session replaces the one before. */
  async signIn(name: "Login" | "Register", input: Record<string, string>): Promise<User> {
    await this.#begin();
    return this.obtain(
      () => this.#options.api.signIn(name, input),
      () => {
        this.#epoch += 1;
        // The server ends the session of a cookie that came along, not that of a token that did not.
        if (this.#options.transport === "COOKIE") this.#farewells = [];
        else if (this.#refreshToken !== null) this.#farewells.push(this.#refreshToken);
        return true;
      },
    );
  }

  /** Gets a grant by `send`, under the lock; takes it over where `accepts` says so, and else signs it out. */
  async obtain(
    send: () => Promise<AuthPayload>,
    accepts: (payload: AuthPayload) => boolean,
  ): Promise<User> {
    const { user } = await this.lock(async () => {
      const sentAt = Date.now();
      const payload = await send();
      if (accepts(payload)) this.#accept(payload, sentAt);
      else this.#farewells.push(payload.refreshToken);
      return payload;
    });
    void this.#sendFarewells();
    await this.#saved;
    return user;
  }

  async signOut(): Promise<void> {
    await this.#begin();
    if (!this.#isOver()) this.#leave();
    await this.#sendFarewells();
  }

  /** The session was ended from here, because of `reason`, and the cookie cleared. */
  finish(reason: string): void {
    this.#watch?.tell(reason);
    if (!this.#hasLeft()) this.#end(planner.SignedOut, 0, reason);
  }

  /** The session `sessionId` was ended from elsewhere, because of `reason`. */
  ended(sessionId: string, reason: string): void {
    if (this.#grant?.sessionId === sessionId) this.#close(planner.SignedOut, 0, reason);
  }

  /** Signs out here; the server still has to be told. */
  #leave(): void {
    this.#watch?.tell("LOGGED_OUT");
    this.#farewells.push(this.#refreshToken);
    this.#end(planner.SignedOut, 0, null);
    if (this.#options.transport === "COOKIE") this.#memory.flag = "out";
  }

  /** Whether a sign-out, perhaps another tab's, waits for the server to hear of it. Only a sign-in ends that. */
  #hasLeft(): boolean {
    return this.#options.transport === "COOKIE" && this.#memory.flag === "out";
  }

  get #memory(): Memory {
    this.#openedMemory ??= openMemory(this.#options.id, this.#options.transport === "COOKIE");
    return this.#openedMemory;
  }

  /** Learns, once, whether there may be a session to restore. Nothing outside of this object is touched before. */
  #begin(): Promise<void> {
    this.#beginning ??= this.#open().catch((error: unknown) => {
      this.#beginning = undefined;
      throw error;
    });
    return this.#beginning;
  }

  async #open(): Promise<void> {
    let restorable: boolean;
    if (this.#options.transport === "BODY") {
      const [refreshToken, attempt] = (await this.#options.store?.get())?.split(" ") ?? [];
      this.#refreshToken = refreshToken || null;
      this.#memory.attempt = attempt ?? null;
      restorable = this.#refreshToken !== null;
    } else {
      restorable = this.#memory.mayHoldSession;
      if (this.#hasLeft()) this.#farewells.push(null);
    }
    this.#step(planner.Started, restorable ? 1 : 0);
  }

  /** One step of the planner: remembers the new state and tells the listeners. */
  #step(event: number, value = 0, extra = 0): { action: number; at: number } {
    const random = (Math.random() * 2 ** 32) >>> 0;
    const input = [this.#numbers, event, value, extra, Date.now(), random] as const;
    let answer: number[];
    try {
      answer = Array.from(this.#plan(...input));
    } catch {
      this.#plan = planner.onDemand;
      answer = Array.from(this.#plan(...input));
    }
    this.#numbers = answer.slice(0, 6);
    this.#publish();
    const [action = planner.Nothing, at = 0] = answer.slice(6);
    return { action, at };
  }

  /** Steps, and does what the session does by itself. */
  #advance(event: number, value = 0, extra = 0): void {
    const { action, at } = this.#step(event, value, extra);
    if (action === planner.Refresh) void this.#refresh();
    if (action === planner.Wait) this.#hints.arm(at);
  }

  #look(event: number): void {
    this.#advance(event);
    if (event === planner.Woke) this.#loadPlanner();
    void this.#sendFarewells();
  }

  /** The one refresh under way. It never rejects: its outcome is in the state. */
  #refresh(): Promise<void> {
    const epoch = this.#epoch;
    this.#flight ??= this.lock(() => this.#renew(epoch)).finally(() => {
      this.#flight = undefined;
    });
    return this.#flight;
  }

  async #renew(epoch: number): Promise<void> {
    if (epoch !== this.#epoch) return;
    if (this.#hasLeft()) return this.#follow();
    const attempt = await this.#attempt();
    if (epoch !== this.#epoch) return;
    const sentAt = Date.now();
    try {
      const payload = await this.#options.api.refresh(this.#refreshToken, attempt);
      if (epoch !== this.#epoch) return;
      if (this.#hasLeft()) return this.#follow();
      // Another tab may have signed in as somebody else.
      if (payload.sessionId === this.#grant?.sessionId) this.#renewals += 1;
      else this.#epoch += 1;
      this.#accept(payload, sentAt);
    } catch (error) {
      if (epoch === this.#epoch) this.#fail(toCountersignError(error));
    }
  }

  /** The key of this refresh, kept before it is sent: the repeat of a lost one has the same. */
  async #attempt(): Promise<string> {
    const attempt = this.#memory.attempt ?? newAttempt();
    this.#memory.attempt = attempt;
    this.#keep(this.#refreshToken);
    await within(this.#saved, SAVE_LIMIT_MS);
    return attempt;
  }

  /** Another tab has signed out. */
  #follow(): void {
    this.#leave();
    void this.#sendFarewells();
  }

  #accept(payload: AuthPayload, sentAt: number): void {
    this.#grant = payload;
    this.#reason = null;
    this.#failure = undefined;
    this.#memory.attempt = null;
    if (this.#options.transport === "COOKIE") this.#memory.flag = "in";
    this.#keep(payload.refreshToken);
    this.#advance(planner.Granted, payload.expiresIn * 1000, sentAt);
    this.#loadPlanner();
  }

  #fail(error: CountersignError): void {
    const reason = error.reason ?? error.code;
    if (endsSession(error)) {
      const missing = error.reason === "REFRESH_MISSING";
      const quietly = missing && this.#state.status === "restoring";
      this.#end(planner.Refused, missing ? 1 : 0, quietly ? null : reason);
      return;
    }
    if (error.reason === "ATTEMPT_INVALID") this.#memory.attempt = null;
    this.#failure = error;
    this.#reason = reason;
    this.#advance(planner.Failed, error.retryAfter === undefined ? -1 : error.retryAfter * 1000);
    this.#loadPlanner();
  }

  #end(event: number, value: number, reason: string | null): void {
    this.#memory.attempt = null;
    this.#memory.flag = null;
    this.#close(event, value, reason);
  }

  /** Ends the session in this tab; what the tabs share may be of one that began meanwhile. */
  #close(event: number, value: number, reason: string | null): void {
    this.#epoch += 1;
    this.#grant = null;
    this.#reason = reason;
    this.#keep(null);
    this.#advance(event, value);
  }

  #isOver(): boolean {
    return this.#state.status === "anonymous" || this.#state.status === "signed-out";
  }

  async #sendFarewells(): Promise<void> {
    if (this.#farewells.length === 0) return;
    await this.lock(async () => {
      while (this.#farewells.length > 0) {
        const [refreshToken = null] = this.#farewells;
        // Else somebody has signed in since, with the same cookie.
        const isDue = this.#options.transport === "BODY" || this.#hasLeft();
        try {
          if (isDue) await this.#options.api.logout(refreshToken);
        } catch {
          this.#hints.arm(Date.now() + SIGN_OUT_RETRY_MS);
          return;
        }
        this.#farewells.shift();
        if (this.#hasLeft()) this.#memory.flag = null;
      }
    });
  }

  /**
   * Remembers the refresh token (BODY), and beside it the key of the refresh under way. The app's store is slow or broken
   * at its own risk: memory serves this run.
   */
  #keep(refreshToken: string | null): void {
    const { store, transport } = this.#options;
    if (transport !== "BODY") return;
    this.#refreshToken = refreshToken;
    const { attempt } = this.#memory;
    const text = refreshToken && attempt ? `${refreshToken} ${attempt}` : refreshToken;
    this.#saved = this.#saved.then(() => store?.set(text)).catch(() => {});
  }

  /** Listens for what happens to the session elsewhere, while it is started and somebody is signed in. */
  #attend(): void {
    const { url, id, events = typeof document !== "undefined" } = this.#options;
    const sessionId = this.#started && events ? this.#state.sessionId : null;
    if (sessionId === this.#watched) return;
    this.#watched = sessionId;
    this.#watch?.close();
    this.#watch = undefined;
    if (sessionId === null) return;
    import("./events.js").then(
      ({ Watch }) => {
        if (sessionId === this.#watched) this.#watch ??= new Watch(this, sessionId, url(), id);
      },
      () => {
        this.#watched = null; // the network is away: the next change of state tries again
      },
    );
  }

  /** Hands over to the WASM core's planner: after the first call, so that none waits for it. */
  #loadPlanner(): void {
    if (!this.#started || this.#isOver()) return;
    this.#loading ??= import("./wasm/core.js")
      .then(({ loadCore }) => loadCore())
      .then((core) => {
        this.#plan = (state, ...event) => core((wasm) => wasm.plan([...state], ...event));
        this.#handOver();
      })
      .catch(() => {
        // Where WebAssembly is refused the session renews on demand.
        this.#loading = undefined;
      });
  }

  /** The WASM core sets its own time for the token that `onDemand` was granted. */
  #handOver(): void {
    const { status, issuedAt, expiresAt } = this.#state;
    if (status === "live" && issuedAt !== null && expiresAt !== null)
      this.#advance(planner.Granted, expiresAt - issuedAt, issuedAt);
    else this.#hints.arm(Date.now());
  }

  #publish(): void {
    const next = snapshot(this.#numbers, this.#grant, this.#renewals, this.#reason);
    if (JSON.stringify(next) === JSON.stringify(this.#state)) return;
    this.#state = next;
    this.#attend();
    for (const listener of this.#listeners) {
      queueMicrotask(() => {
        if (this.#listeners.has(listener)) listener(next);
      });
    }
  }

  #cannotTell(at: number): CountersignError {
    const { code, message, reason } = toCountersignError(this.#failure);
    const wait = Math.ceil((at - Date.now()) / 1000);
    return new CountersignError(code, message, {
      cause: this.#failure,
      ...(reason !== undefined && { reason }),
      ...(wait > 0 && { retryAfter: wait }),
    });
  }
}

function snapshot(
  [status = 0, sentAt = 0, expiresAt = 0, refreshAt = 0]: planner.Numbers,
  grant: AuthPayload | null,
  renewals: number,
  reason: string | null,
): SessionState {
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

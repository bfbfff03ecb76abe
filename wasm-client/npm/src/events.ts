import type { AuthPayload } from "./auth.js";
import type { Lock } from "./tabs.js";

/** What a watch needs of its session. */
export interface Watched {
  /** The session's grant, renewed when it is time or by `force`; null when nobody is signed in. */
  grant(options?: { force: boolean }): Promise<AuthPayload | null>;
  /** What replaces a grant that the server refused. */
  successor(refused: AuthPayload): Promise<unknown>;
  /** Runs work when all that sets or clears the refresh token is done, and before more of that begins. */
  lock: Lock;
  /** The session `sessionId` has ended, because of `reason`. */
  ended(sessionId: string, reason: string): void;
}

/** A message of the server, as far as it is read here. */
interface Message {
  type?: unknown;
  payload?: {
    data?: { sessionEvents?: { kind?: unknown; at?: unknown; reason?: unknown } };
    0?: { extensions?: { reason?: unknown } };
  };
}

/** Resting; waiting for the next attempt; connecting; acknowledged; acknowledged, and asked whether it still stands. */
type Phase = "idle" | "waiting" | "opening" | "open" | "probed";

const SUBSCRIBE = {
  id: "1",
  type: "subscribe",
  payload: { query: "subscription SessionEvents { sessionEvents { kind at reason } }" },
};

/** How long the server may take to accept a stream, or to answer a ping. */
const ANSWER_LIMIT_MS = 15_000;
/** How long a stream has to show that it stands. */
const PROOF_LIMIT_MS = 1_000;
/** A stream on which nothing came for so long is asked whether it still stands. */
const SILENCE_MS = 60_000;
/** Only a stream that has stood for so long makes the next attempt an early one again. */
const STEADY_MS = 30_000;
/** How long a tab waits for the session that has replaced its own. */
const REPLACED_MS = 1_000;
const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 60_000;

/** The close code after the event `ENDED`, with its reason as text. */
const ENDED = 4410;
/** The close code for a token that did not do, with the reason as text. */
const REFUSED = 4403;

/**
 * Hears what happens to one session, until it is closed: from the server, by the subscription `sessionEvents` over the
 * protocol graphql-transport-ws. The stream is opened again whenever it breaks, at growing
 * intervals; the server then tells what was missed.
 */
export class Watch {
  readonly #session: Watched;
  readonly #sessionId: string;
  readonly #url: URL;
  #socket: WebSocket | undefined;
  #phase: Phase = "idle";
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Rises whenever an attempt or its stream is given up; whatever comes of it later is dropped. */
  #turn = 0;
  #failures = 0;
  /** Tells who asked whether the stream stands. */
  #prove: (stands: boolean) => void = () => {};
  #triedAt = Number.NEGATIVE_INFINITY;
  #acceptedAt = Number.POSITIVE_INFINITY;
  /** Since the last stream stood, a refused token was replaced, and so another refusal is not the token's fault. */
  #isReplaced = false;

  /** While a renewal is due: when a token must have been signed (server's clock, milliseconds) to make it needless. */
  #knownFrom: number | undefined;

  /** `endpoint` is the address of `/graphql`. */
  constructor(session: Watched, sessionId: string, endpoint: URL) {
    this.#session = session;
    this.#sessionId = sessionId;
    this.#url = streamUrl(endpoint);
    this.#listen("addEventListener");
    void this.#connect();
  }

  /** Whether the server answers on the stream, as it cannot where the machine has slept: it hangs up on the silent. */
  async stands(): Promise<boolean> {
    if (this.#phase !== "open") return false;
    this.#probe();
    return new Promise((resolve) => {
      const limit = setTimeout(() => this.#prove(false), PROOF_LIMIT_MS);
      this.#prove = (stands) => {
        clearTimeout(limit);
        resolve(stands);
      };
    });
  }

  close(): void {
    this.#drop();
    this.#listen("removeEventListener");
  }

  #listen(method: "addEventListener" | "removeEventListener"): void {
    if (typeof document === "undefined") return;
    document[method]("visibilitychange", this.#wake);
    window[method]("online", this.#wake);
    window[method]("pageshow", this.#wake);
    window[method]("pagehide", this.#rest);
  }

  /** Whatever broke the stream may be over, and a stream that stood before a sleep may be dead. */
  readonly #wake = ({ type }: Event): void => {
    if (type === "visibilitychange" && document.hidden) return;
    if (this.#phase === "open") this.#probe();
    if (this.#phase !== "idle" && this.#phase !== "waiting") return;
    this.#phase = "waiting";
    this.#after(this.#triedAt + FIRST_WAIT_MS - performance.now(), () => this.#connect());
  };

  /** A page with an open stream is not kept for the way back. */
  readonly #rest = (): void => {
    this.#drop();
  };

  async #connect(): Promise<void> {
    if (typeof WebSocket === "undefined") return;
    const turn = this.#drop();
    this.#phase = "opening";
    this.#triedAt = performance.now();
    const grant = await this.#session.grant().catch(() => null);
    if (turn !== this.#turn) return;
    // Else the session is over or another one, and this watch about to be closed, or the network is away.
    if (grant?.sessionId === this.#sessionId) this.#open(grant, turn);
    else this.#retry();
  }

  #open(grant: AuthPayload, turn: number): void {
    try {
      this.#socket = new WebSocket(this.#url, "graphql-transport-ws");
    } catch {
      this.#retry(); // the page's policy forbids it
      return;
    }
    this.#after(ANSWER_LIMIT_MS, () => this.#retry());
    this.#socket.onopen = () => {
      const init = { type: "connection_init", payload: { token: grant.accessToken } };
      if (turn === this.#turn) this.#send(init);
    };
    this.#socket.onmessage = ({ data }) => {
      if (turn === this.#turn) this.#receive(parse(data), grant);
    };
    // Node 20 reports a refused connection by this alone; elsewhere a close without a code follows.
    this.#socket.onerror = () => {
      if (turn === this.#turn) this.#retry();
    };
    this.#socket.onclose = ({ code, reason }) => {
      if (turn !== this.#turn) return;
      if (code === ENDED) void this.#end(reason);
      else if (code === REFUSED) void this.#refused(grant, reason);
      else this.#retry();
    };
  }

  #receive({ type, payload }: Message, grant: AuthPayload): void {
    if (type === "connection_ack") {
      this.#acceptedAt = performance.now();
      this.#isReplaced = false;
      this.#phase = "open";
      this.#send(SUBSCRIBE);
    }
    if (this.#phase === "opening") return;
    this.#phase = "open";
    this.#prove(true);
    this.#after(SILENCE_MS, () => this.#probe());
    if (type === "ping") this.#send({ type: "pong" });
    if (type === "next") this.#hear(payload?.data?.sessionEvents);
    if (type === "error") void this.#refused(grant, String(payload?.[0]?.extensions?.reason));
    // The close that follows says why.
    if (type === "complete") this.#after(ANSWER_LIMIT_MS, () => this.#retry());
  }

  #hear({ kind, at, reason }: { kind?: unknown; at?: unknown; reason?: unknown } = {}): void {
    if (typeof reason !== "string") return;
    if (kind === "ENDED") void this.#end(reason);
    // Whoever changed the password has the new token from that, signed in the same second.
    else if (reason === "PASSWORD_CHANGED") void this.#changed(Date.parse(String(at)) - 999);
    // Kinds that servers add are changes of some kind.
    else void this.#changed(Number.POSITIVE_INFINITY);
  }

  async #end(reason: string): Promise<void> {
    if (reason === "SESSION_REPLACED") {
      // By a sign-in of this browser, most of the time, whose answer is on its way to this tab or another.
      await this.#session.lock(async () => {});
      await new Promise((resolve) => setTimeout(resolve, REPLACED_MS));
    }
    this.#session.ended(this.#sessionId, reason);
  }

  /** Renews, unless the token was signed at `knownFrom` or later. Many changes together cost one renewal. */
  async #changed(knownFrom: number): Promise<void> {
    const isDue = this.#knownFrom !== undefined;
    this.#knownFrom = Math.max(knownFrom, this.#knownFrom ?? 0);
    if (isDue) return;
    // What is under way may have been sent before the change.
    await this.#session.lock(async () => {});
    const grant = await this.#session.grant().catch(() => null);
    const isKnown = Date.parse(grant?.issuedAt ?? "") >= this.#knownFrom;
    this.#knownFrom = undefined;
    if (grant?.sessionId !== this.#sessionId || isKnown) return;
    await this.#session.grant({ force: true }).catch(() => {}); // the session tries again by itself
  }

  async #refused(grant: AuthPayload, reason: string): Promise<void> {
    const turn = this.#drop();
    if (/^(TOKEN|SESSION)_/.test(reason) && !this.#isReplaced) {
      this.#isReplaced = true;
      await this.#session.successor(grant).catch(() => {});
    }
    if (turn === this.#turn) this.#retry();
  }

  #probe(): void {
    this.#phase = "probed";
    this.#send({ type: "ping" });
    this.#after(ANSWER_LIMIT_MS, () => this.#retry());
  }

  #retry(): void {
    if (performance.now() - this.#acceptedAt > STEADY_MS) this.#failures = 0;
    this.#acceptedAt = Number.POSITIVE_INFINITY;
    this.#drop();
    this.#phase = "waiting";
    const longest = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.#failures);
    this.#failures += 1;
    this.#after(longest * (0.5 + Math.random() / 2), () => this.#connect());
  }

  /** Gives up the stream, or the attempt to open one. */
  #drop(): number {
    const socket = this.#socket;
    this.#prove(false);
    clearTimeout(this.#timer);
    this.#socket = undefined;
    this.#phase = "idle";
    this.#turn += 1;
    socket?.close();
    return this.#turn;
  }

  #send(message: object): void {
    // The browser closes the socket of a frozen page, and tells no sooner than it thaws.
    if (this.#socket?.readyState === 1) this.#socket.send(JSON.stringify(message));
  }

  /** The one timer: for whatever is waited for now. */
  #after(ms: number, then: () => unknown): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(then, ms);
    // Outside of a page a timer must not keep the process alive.
    if (typeof this.#timer === "object") this.#timer.unref();
  }
}

function parse(text: string): Message {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}

function streamUrl(endpoint: URL): URL {
  const url = new URL(endpoint);
  url.protocol = url.protocol.replace("http", "ws");
  url.pathname = url.pathname.replace(/\/?$/, "/ws");
  url.hash = "";
  return url;
}

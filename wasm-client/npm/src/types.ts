/** What a user may do, in rising order; servers may add roles. */
export type Role = "USER" | "MANAGER" | "ADMIN" | (string & {});

/** An account, as its owner sees it. */
export interface User {
  id: string;
  email: string;
  name: string;
  role: Role;
  /** RFC 3339, UTC. */
  createdAt: string;
  /** True while an administrator has switched the account off. */
  disabled: boolean;
  /** Whether the address was verified; false in this version, which verifies none. */
  emailVerified: boolean;
}

/**
 * What a session is.
 *
 * `restoring → anonymous | live`; `live → refreshing → live | backoff`; `backoff` past expiry is `stale`: the session is
 * kept, and it cannot be known now whether it still stands. Only a definitive answer of the server or a sign-out ends in
 * `signed-out`.
 */
export type SessionStatus =
  | "restoring"
  | "anonymous"
  | "live"
  | "refreshing"
  | "backoff"
  | "stale"
  | "signed-out";

/** An immutable snapshot. Times are milliseconds of this machine's clock. */
export interface SessionState {
  /** Where the session is in its course. */
  readonly status: SessionStatus;
  /** The signed-in user; kept while live, refreshing, backoff or stale. */
  readonly user: User | null;
  /** The same in every tab, and in the claim `sid`; null when nobody is signed in. */
  readonly sessionId: string | null;
  /** When the request of the current token was sent. */
  readonly issuedAt: number | null;
  /** When the current token expires. */
  readonly expiresAt: number | null;
  /** When it will be renewed. */
  readonly refreshAt: number | null;
  /** Silent renewals since this page started, by this tab or another. */
  readonly renewals: number;
  /**
   * Why the session ended or backs off: the reason of the server's event (`SESSION_REVOKED`, `ENDED_BY_ADMINISTRATOR`,
   * `LOGGED_OUT` in another tab, …) or of the renewal that failed, or a code. Null after a sign-out in this tab.
   */
  readonly reason: string | null;
}

/** What `token()` may be asked for. */
export interface TokenOptions {
  /** How long the token has to be good for; 0 when absent. */
  minTtlMs?: number;
  /** Renew even though the current token looks good. */
  force?: boolean;
  /** Ends the waiting, not the renewal, for which others may wait too. */
  signal?: AbortSignal | undefined;
}

/** Keeps a user signed in. */
export interface Session {
  /** The same object until something changes. */
  readonly state: SessionState;
  /**
   * A good access token, renewed when it is time; null when nobody is signed in.
   *
   * @throws CountersignError when it cannot be known whether somebody is: with `retriable` when it may be known later,
   * without when the set-up is wrong (reason `ORIGIN_REFUSED`). The signal's reason.
   */
  token(options?: TokenOptions): Promise<string | null>;
  /** Calls `listener` after every change; returns the function that ends it. */
  on(listener: (state: SessionState) => void): () => void;
  /** Restores the session and renews it before it is needed, until `dispose()`. Calling it again does nothing. */
  start(): void;
  /**
   * Signs out: here at once, at the server as soon as it can be reached. Never rejects for want of a network.
   */
  signOut(): Promise<void>;
  /** Ends timers and listeners; `token()` still renews on demand. */
  dispose(): void;
}

/**
 * Where a refresh token is kept between runs of a program. The text is opaque: during a refresh it says, too, how to repeat
 * that after a crash.
 */
export interface RefreshTokenStore {
  /** The text of the last `set`, of this run or an earlier one; null when there is none. */
  get(): string | null | Promise<string | null>;
  /** Keeps the text in place of the last; null means that nobody is signed in any more. */
  set(token: string | null): void | Promise<void>;
}

/** How to reach a server. */
export interface ClientOptions {
  /** The address of `/graphql`; in a page it may be relative. */
  endpoint: string | URL;
  /**
   * `COOKIE` (the default) leaves the refresh token to the browser, out of reach of scripts. `BODY` is for native apps,
   * servers and scripts, and keeps it in memory or in `refreshTokenStore`.
   */
  transport?: "COOKIE" | "BODY";
  /** The namespace of stored keys, for pages with several clients; "default" when absent. */
  id?: string;
  /** Instead of the platform's fetch. */
  fetch?: typeof globalThis.fetch;
  /** With `BODY` only. */
  refreshTokenStore?: RefreshTokenStore;
  /**
   * Whether a started session listens for its end and its changes, from the server (a WebSocket at the endpoint's address
   * and `/ws`) and from the other tabs. True in a page when absent; elsewhere false, because an open socket keeps a process
   * alive. Without, or where no WebSocket gets through, both show at the next request.
   */
  events?: boolean;
}

/** What a GraphQL request may be given. */
export interface RequestOptions {
  /** Ends the request. */
  signal?: AbortSignal;
  /** Which operation runs, where the document holds several. */
  operationName?: string;
}

/** A client of one Countersign server. */
export interface Client {
  /** Who is signed in, and the token that says so. */
  readonly session: Session;
  /** @throws CountersignError, for example `BAD_USER_INPUT` with `field`. */
  register(input: { email: string; password: string; name: string }): Promise<User>;
  /** @throws CountersignError, for example `UNAUTHENTICATED` with reason `BAD_CREDENTIALS`. */
  login(input: { email: string; password: string }): Promise<User>;
  /** The same as `session.signOut()`. */
  logout(): Promise<void>;
  /** Ends all of the user's sessions, this one included (reason `LOGGED_OUT_EVERYWHERE`); returns how many. */
  logoutEverywhere(): Promise<number>;
  /**
   * Changes the password, which ends the user's other sessions; this one goes on.
   *
   * @throws CountersignError, for example `BAD_CREDENTIALS`, or `BAD_USER_INPUT` with the field `newPassword`.
   */
  changePassword(input: { currentPassword: string; newPassword: string }): Promise<User>;
  /**
   * Proves the password again, which acts refused with `REAUTHENTICATION_REQUIRED` ask for: do them right after.
   *
   * @throws CountersignError, for example with reason `BAD_CREDENTIALS`.
   */
  reauthenticate(password: string): Promise<User>;
  /**
   * Deletes the account; the session ends here with the reason `ACCOUNT_DELETED`.
   *
   * @throws CountersignError, for example with reason `BAD_CREDENTIALS` or `LAST_ADMINISTRATOR`.
   */
  deleteAccount(password: string): Promise<void>;
  /**
   * Sets a new password by the one-time `token` of a recovery link (what stands behind `#token=`). It ends all of that
   * user's sessions and signs nobody in.
   *
   * @throws CountersignError, for example with reason `RECOVERY_INVALID`, or `BAD_USER_INPUT` with the field `newPassword`,
   * after which the link is still good.
   */
  recover(input: { token: string; newPassword: string }): Promise<void>;
  /**
   * Sends a GraphQL operation with the access token and returns its data.
   *
   * @throws CountersignError of the first error in the answer.
   */
  request<T>(
    query: string,
    variables?: Record<string, unknown>,
    options?: RequestOptions,
  ): Promise<T>;
  /**
   * Fetches. Requests to the endpoint's origin carry the access token, and are sent again once with a new one when the
   * answer refuses it and nothing was executed; others, and those with an `Authorization` of their own, go as they are.
   *
   * @throws CountersignError with `retriable` when it cannot be known now who is signed in; `SESSION_CHANGED` when that is
   * somebody else by now; else as `fetch`.
   */
  fetch(input: Parameters<typeof globalThis.fetch>[0], init?: RequestInit): Promise<Response>;
}

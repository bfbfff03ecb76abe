import type { GraphQLAnswer } from "./graphql.js";

/** What a program does about an error. Servers may add codes; switch with a default. */
export type ErrorCode =
  | "UNAUTHENTICATED"
  | "FORBIDDEN"
  | "BAD_USER_INPUT"
  | "NOT_FOUND"
  | "RATE_LIMITED"
  | "UNAVAILABLE"
  | "GRAPHQL_PARSE_FAILED"
  | "GRAPHQL_VALIDATION_FAILED"
  | "QUERY_TOO_COMPLEX"
  | "INTERNAL_SERVER_ERROR"
  /** No answer, or none that a Countersign server gives. */
  | "NETWORK"
  /** The page or the browser does not let WebAssembly run. */
  | "WASM_UNAVAILABLE"
  /** Another session began while a request waited for its token; the request was not sent. */
  | "SESSION_CHANGED"
  | (string & {});

/** Why. Servers may add reasons; where one is unknown, the code says what to do. */
export type ErrorReason =
  | "TOKEN_MISSING"
  | "TOKEN_EXPIRED"
  | "TOKEN_STALE"
  | "TOKEN_INVALID"
  | "SESSION_ENDED"
  | "REFRESH_MISSING"
  | "REFRESH_INVALID"
  | "REFRESH_EXPIRED"
  | "REFRESH_REUSED"
  | "BAD_CREDENTIALS"
  | "RECOVERY_INVALID"
  | "SECOND_FACTOR_REQUIRED"
  | "ROLE_REQUIRED"
  | "REAUTHENTICATION_REQUIRED"
  | "ACCOUNT_DISABLED"
  | "REGISTRATION_CLOSED"
  | "LAST_ADMINISTRATOR"
  | "OWN_ACCOUNT"
  | "ORIGIN_REFUSED"
  | "SUBSCRIPTIONS_ONLY"
  | "POST_REQUIRED"
  | "EMAIL_UNVERIFIED"
  | "EMAIL_INVALID"
  | "EMAIL_TAKEN"
  | "PASSWORD_TOO_SHORT"
  | "PASSWORD_TOO_LONG"
  | "PASSWORD_TOO_WEAK"
  | "PASSWORD_INVALID"
  | "PASSWORD_BREACHED"
  | "NAME_INVALID"
  | "CURSOR_INVALID"
  | "FIRST_INVALID"
  | "ATTEMPT_INVALID"
  | (string & {});

/** What an error carries besides its code and message. */
export interface ErrorDetails {
  reason?: ErrorReason;
  /** The input field that is wrong. */
  field?: string;
  /** Whole seconds to wait before trying again. */
  retryAfter?: number;
  /** What the server's log calls this request. */
  requestId?: string;
  cause?: unknown;
}

const RETRIABLE: readonly ErrorCode[] = [
  "NETWORK",
  "UNAVAILABLE",
  "RATE_LIMITED",
  "INTERNAL_SERVER_ERROR",
];

/** The only error this package throws of its own accord (an aborted call throws its signal's reason). */
export class CountersignError extends Error {
  override readonly name = "CountersignError";
  readonly code: ErrorCode;
  declare readonly reason?: ErrorReason;
  declare readonly field?: string;
  declare readonly retryAfter?: number;
  declare readonly requestId?: string;
  /** True when the same call can succeed later: it says nothing about the session. */
  readonly retriable: boolean;

  constructor(code: ErrorCode, message: string, { cause, ...details }: ErrorDetails = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.retriable = RETRIABLE.includes(code);
    Object.assign(this, details);
  }
}

/** The error of a token that breaks a rule. */
export function invalidToken(message = "the token is not valid"): CountersignError {
  return new CountersignError("UNAUTHENTICATED", message, { reason: "TOKEN_INVALID" });
}

/** What was asked for as one user must not be done as another. */
export function sessionChanged(): CountersignError {
  return new CountersignError("SESSION_CHANGED", "another session began; nothing was sent");
}

/** The error that `cause` is, or else that of a server that does not answer. */
export function toCountersignError(cause: unknown): CountersignError {
  if (cause instanceof CountersignError) return cause;
  return new CountersignError("NETWORK", "the server did not answer", { cause });
}

/** Whether a refusal with `reason` is of the token that was sent, so that another may do. */
export function isRenewable(reason = ""): boolean {
  return reason.startsWith("TOKEN_");
}

/**
 * Whether a GraphQL answer says that the request's token did not do, so that nothing was executed (`renewable`), or that
 * its session has ended.
 */
export function refusalOf({
  data,
  errors,
}: Pick<GraphQLAnswer, "data" | "errors">): "renewable" | "ended" | undefined {
  const reasons = (errors ?? []).flatMap(({ extensions }) =>
    extensions?.code === "UNAUTHENTICATED" ? `${extensions.reason}` : [],
  );
  if (reasons.includes("SESSION_ENDED")) return "ended";
  const isExecuted = Object.values(data ?? {}).some((value) => value !== null);
  return !isExecuted && reasons.some(isRenewable) ? "renewable" : undefined;
}

import { CountersignError } from "@countersign/client";

/** What people read for each `reason` (why) of an error. A reason says more than a code and goes first. */
const REASONS: Readonly<Record<string, string>> = {
  TOKEN_MISSING: "You need to be signed in for this.",
  TOKEN_EXPIRED: "The token has expired.",
  TOKEN_STALE: "Your account has changed, and this token still tells the old story.",
  TOKEN_INVALID: "This is not a token that the server signed.",
  SESSION_ENDED: "Your session was ended. Please sign in again.",
  LOGGED_OUT: "You have signed out in another tab.",
  LOGGED_OUT_EVERYWHERE: "You have signed out on all your devices.",
  SESSION_REVOKED: "You ended this session from another device. Please sign in again.",
  ENDED_BY_ADMINISTRATOR: "An administrator ended your session. Please sign in again.",
  PASSWORD_CHANGED:
    "Your password was changed on another device, which signed this one out. Please sign in with the new password.",
  ACCOUNT_DELETED: "This account has been deleted.",
  SESSION_LIMIT:
    "You are signed in on so many devices that this one, the oldest, had to make room. Please sign in again.",
  SESSION_REPLACED: "A newer sign-in in this browser took the place of this one.",
  SESSION_EXPIRED: "Your session has reached its end. Please sign in again.",
  REFRESH_MISSING: "You are no longer signed in on this device. Please sign in again.",
  REFRESH_INVALID: "Your sign-in on this device is no longer valid. Please sign in again.",
  REFRESH_EXPIRED: "You were away for long enough that your session ran out. Please sign in again.",
  REFRESH_REUSED:
    "Somebody else may have used a copy of your sign-in, so we ended the session to be safe. Please sign in again.",
  BAD_CREDENTIALS: "The e-mail address or the password is wrong.",
  RECOVERY_INVALID:
    "This link is not valid any more: it works once, for half an hour, and a newer one takes its place. Please ask for a new link.",
  ROLE_REQUIRED: "Your role does not allow this.",
  REAUTHENTICATION_REQUIRED: "For your safety this needs your password. Nothing was changed.",
  LAST_ADMINISTRATOR:
    "This is the only administrator. Make somebody else an administrator first; nothing was changed.",
  OWN_ACCOUNT: "An administrator cannot do this to their own account. Another administrator can.",
  ACCOUNT_DISABLED: "This account has been switched off. Please talk to an administrator.",
  ORIGIN_REFUSED: "The server does not accept sign-ins from this address.",
  EMAIL_INVALID: "This is not an e-mail address. It should look like ana@example.com.",
  EMAIL_TAKEN: "This address already has an account. Sign in instead, or use another address.",
  PASSWORD_TOO_SHORT: "This password is too short.",
  PASSWORD_TOO_LONG: "This password is too long.",
  PASSWORD_TOO_WEAK:
    "This password is too easy to guess. Several unrelated words make a good one; your name or address does not.",
  PASSWORD_INVALID: "A password has no line breaks, tabs or other control characters.",
  PASSWORD_BREACHED:
    "This password was stolen from another service and is in the lists that attackers try. Please choose another one.",
  NAME_INVALID:
    "Please give a name of ordinary length, in one alphabet and without control characters.",
  POST_REQUIRED: "This page asked the server in the wrong way. Please reload it.",
  CURSOR_INVALID: "This page of the list no longer exists. Please start from the first page.",
  FIRST_INVALID: "A page of a list holds 1 to 100 entries.",
  ATTEMPT_INVALID: "This page could not renew your sign-in. Please reload it.",
  REGISTRATION_CLOSED: "New accounts are not open here. Please ask an administrator for one.",
  SECOND_FACTOR_REQUIRED:
    "This account needs a second factor, which this demonstration cannot ask for.",
  EMAIL_UNVERIFIED: "Please prove your e-mail address first.",
};

/** What people read for each `code`, where the reason is absent or newer than this page. */
const CODES: Readonly<Record<string, string>> = {
  UNAUTHENTICATED: "You are not signed in. Please sign in again.",
  FORBIDDEN: "You are not allowed to do this.",
  BAD_USER_INPUT: "Something in this form is not as it should be.",
  NOT_FOUND: "It does not exist, or no longer does.",
  RATE_LIMITED: "Too many tries in a short time.",
  UNAVAILABLE: "The server is busy just now.",
  GRAPHQL_PARSE_FAILED: "The server could not read the question this page asked.",
  GRAPHQL_VALIDATION_FAILED:
    "This page and the server are of different versions. Please reload the page.",
  QUERY_TOO_COMPLEX: "This asks for too much at once.",
  INTERNAL_SERVER_ERROR: "Something went wrong on our side. It has been recorded.",
  NETWORK: "The server cannot be reached. Please check your connection.",
  WASM_UNAVAILABLE:
    "This browser does not run WebAssembly here, so the page cannot check signatures itself.",
};

const UNKNOWN = "Something unexpected happened. Please try again.";

/** The text for a reason or a code alone, or null when neither is known. */
export function textFor(reasonOrCode: string): string | null {
  return REASONS[reasonOrCode] ?? CODES[reasonOrCode] ?? null;
}

/** "12 seconds", "1 minute", "2 hours": a wait as people say it, rounded up so that waiting it out is enough. */
export function inWords(seconds: number): string {
  const [amount, unit] =
    seconds <= 90
      ? [Math.max(1, Math.ceil(seconds)), "second"]
      : seconds <= 5400
        ? [Math.ceil(seconds / 60), "minute"]
        : [Math.ceil(seconds / 3600), "hour"];
  return `${amount} ${unit}${amount === 1 ? "" : "s"}`;
}

/** One sentence or two that say what happened and what to do, for anything that was thrown. */
export function messageFor(error: unknown): string {
  if (!(error instanceof CountersignError)) return UNKNOWN;
  const text = (error.reason && REASONS[error.reason]) ?? CODES[error.code] ?? UNKNOWN;
  const parts = [text];
  if (error.retryAfter !== undefined) parts.push(`Try again in ${inWords(error.retryAfter)}.`);
  if (error.requestId !== undefined)
    parts.push(`If you report it, give this number: ${error.requestId}.`);
  return parts.join(" ");
}

/** The form field that the server named, or null when the problem is not one field's. */
export function fieldOf(error: unknown): string | null {
  return error instanceof CountersignError ? (error.field ?? null) : null;
}

/** The sentence for a signed-out page, or null when there is nothing to explain (own sign-out in this tab). */
export function goodbyeFor(reason: string | null): string | null {
  return reason === null ? null : (textFor(reason) ?? textFor("SESSION_ENDED"));
}

/** True where the person signed out on purpose, here or elsewhere, and so does not want to come back to this page. */
export function leftOnPurpose(reason: string | null): boolean {
  return (
    reason === null || ["LOGGED_OUT", "LOGGED_OUT_EVERYWHERE", "ACCOUNT_DELETED"].includes(reason)
  );
}

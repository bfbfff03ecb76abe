import type { SessionStatus } from "./types.js";

/** The statuses in the order of the planner's numbers. */
export const STATUSES: readonly SessionStatus[] = [
  "restoring",
  "anonymous",
  "live",
  "refreshing",
  "backoff",
  "stale",
  "signed-out",
];

/** The planner's events, by number; two of them carry values. */
export const Started = 0;
export const Granted = 1;
export const Ticked = 2;
export const Woke = 3;
export const Wanted = 4;
export const Forced = 5;
export const Failed = 6;
export const Refused = 7;
export const SignedOut = 8;

/** The planner's actions, by number. */
export const Nothing = 0;
export const Wait = 1;
export const Refresh = 2;
export const Use = 3;
export const Fail = 4;
/** The current token serves, and it is time to renew it. */
export const Renew = 5;

/** Status, sent at, expires at, refresh at, failures, retry at. */
export type Numbers = readonly [number, number, number, number, number, number];

/** One step: the new state's six numbers, the action's and the time. The WASM core's `plan`, or `onDemand`. */
export type Plan = (
  state: Numbers,
  event: number,
  value: number,
  extra: number,
  now: number,
  random: number,
) => Iterable<number>;

/** What nothing is known of. */
export const UNKNOWN: Numbers = [0, 0, 0, 0, 0, 0];

const MARGIN_MS = 5_000;
const RETRY_MS = 5_000;

/**
 * Renews when a request needs it and never before: until the WASM core is there, and where it may not run. It speaks the
 * core's numbers, so the core takes over from any state.
 */
export const onDemand: Plan = (state, event, value, extra, now) => {
  const [status, sentAt, expiresAt, refreshAt, , retryAt] = state;
  const act = (action: number, at = 0, numbers: readonly number[] = state) => [
    ...numbers,
    action,
    at,
  ];
  const become = (next: number) => act(Nothing, 0, [next, 0, 0, 0, 0, 0]);
  if (event === SignedOut) return become(6);
  if (event === Refused) return become(status === 1 || (status === 0 && value === 1) ? 1 : 6);
  if (event === Granted) {
    const end = extra + value;
    return act(Nothing, 0, [2, extra, end, end - Math.min(MARGIN_MS, value / 2), 0, 0]);
  }
  const isOver = status === 1 || status === 6;
  if (event === Started && (isOver || status === 0) && isOver !== (value === 0))
    return become(isOver ? 0 : 1);
  if (isOver) return act(Nothing);
  if (event === Failed) {
    const next = status === 0 ? 0 : now < expiresAt ? 4 : 5;
    const at = now + (value < 0 ? RETRY_MS : value);
    return act(Wait, at, [next, sentAt, expiresAt, refreshAt, value < 0 ? 1 : 0, at]);
  }
  const isWaiting = now < retryAt;
  if (event !== Wanted && event !== Forced) {
    const retries = status === 0 || status > 3;
    return retries ? act(isWaiting ? Wait : Refresh, retryAt) : act(Nothing);
  }
  const serves = event === Wanted && sentAt <= now && now + value < expiresAt;
  if (serves && (status !== 2 || now < refreshAt)) return act(Use);
  if (isWaiting) return act(Fail, retryAt);
  return act(serves ? Renew : Refresh, 0, [status === 2 ? 3 : status, ...state.slice(1)]);
};

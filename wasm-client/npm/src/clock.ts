/** A difference between the two clocks of a machine that is no sleep yet. */
const SLACK_MS = 2_000;

/** Time that nobody sets, in milliseconds since 1970. */
export interface Clock {
  now(): number;
  /** What was taken for sleep since `settle()`; it may have been the machine's clock that was set forward. */
  readonly slept: number;
  /** There was no sleep. */
  wasAwake(): void;
  /** Agrees with the machine's clock again. */
  settle(): void;
}

/**
 * A clock that is not set with the machine's. Some browsers stop `performance.now()` while the machine sleeps (w3c/hr-time,
 * issue 115), so a leap of the machine's clock counts as time that has passed.
 */
export function createClock(): Clock {
  const drift = () => Date.now() - performance.now();
  let seen = 0;
  let base = 0;
  let slept = 0;
  return {
    now() {
      const leap = drift() - seen;
      seen += leap;
      if (leap > SLACK_MS) slept += leap;
      return Math.round(performance.now() + base + slept);
    },
    get slept() {
      return slept;
    },
    wasAwake() {
      slept = 0;
    },
    settle() {
      seen = base = drift();
      slept = 0;
    },
  };
}

/** Starts to count milliseconds: by the clock that has moved further, as one of them stops in sleep and the other is set. */
export function stopwatch(): () => number {
  const began = [performance.now(), Date.now()] as const;
  return () => Math.max(performance.now() - began[0], Date.now() - began[1]);
}

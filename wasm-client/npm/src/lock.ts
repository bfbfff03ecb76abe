/** Runs one piece of work at a time. */
export type Lock = <T>(work: () => Promise<T>) => Promise<T>;

/**
 * The lock around everything that sets or clears the refresh token: two of those at once would race for it. It holds
 * within this page; every piece of work bounds its own time.
 */
export function createLock(): Lock {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const run = last.then(work, work);
    last = run.catch(() => {});
    return run;
  };
}

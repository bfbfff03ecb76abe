// Kept here, so that tests which move the timers of the package still wait in real time.
const { setTimeout } = globalThis;
const now = performance.now.bind(performance);

/** Resolves when `condition` holds; rejects after `limitMs`, saying what was waited for. */
export async function until(
  what: string,
  condition: () => boolean,
  limitMs = 10_000,
): Promise<void> {
  const end = now() + limitMs;
  while (!condition()) {
    if (now() > end) throw new Error(`waited ${limitMs} ms in vain until ${what}`);
    await sleep(5);
  }
}

/** Resolves after `ms`. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

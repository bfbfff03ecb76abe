import type { Clock } from "./clock.js";
import { isPage } from "./memory.js";

/** Timers are throttled and stop during sleep, so none is trusted for longer than this. */
const MAX_TIMER_MS = 30_000;

/** The moments at which a session looks at the clock: timers, and events of the page. They only hint. */
export interface Hints {
  start(): void;
  /** Hints at `at` (by the clock), at the latest after 30 seconds; not while the page is hidden. */
  arm(at: number): void;
  stop(): void;
}

/** `tick` is called to look at the clock, `wake` when the network came back. */
export function createHints(clock: Clock, tick: () => void, wake: () => void): Hints {
  let running = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const isHidden = () => isPage() && document.hidden;

  const look = () => {
    clearTimeout(timer);
    if (!isHidden()) tick();
  };

  function listen(method: "addEventListener" | "removeEventListener"): void {
    if (!isPage()) return;
    document[method]("visibilitychange", look);
    for (const event of ["focus", "pageshow"]) window[method](event, look);
    window[method]("online", wake);
  }

  return {
    start() {
      running = true;
      listen("addEventListener");
    },
    arm(at) {
      clearTimeout(timer);
      if (!running || isHidden()) return;
      timer = setTimeout(look, Math.min(Math.max(at - clock.now(), 0), MAX_TIMER_MS));
      // On a server a session must not keep the process alive.
      if (typeof timer === "object") timer.unref();
    },
    stop() {
      running = false;
      clearTimeout(timer);
      listen("removeEventListener");
    },
  };
}

import { useEffect, useState } from "react";

const DATE_TIME = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });
const DATE = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium" });
const TIME = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });

/** "21 Nov 2026, 09:30:00" in the reader's time zone. `ms` is Unix time in milliseconds. */
export function dateTime(ms: number): string {
  return DATE_TIME.format(ms);
}

/** "21 Nov 2026". `ms` is Unix time in milliseconds. */
export function date(ms: number): string {
  return DATE.format(ms);
}

/** "09:30:00". `ms` is Unix time in milliseconds. */
export function timeOfDay(ms: number): string {
  return TIME.format(ms);
}

/** "12 min 04 s" or "9 s": what is left of `ms` milliseconds. */
export function countdown(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  if (hours > 0) return `${hours} h ${String(minutes % 60).padStart(2, "0")} min`;
  if (minutes > 0) return `${minutes} min ${String(seconds % 60).padStart(2, "0")} s`;
  return `${seconds} s`;
}

/** The local clock in milliseconds, read once a second. */
export function useNow(): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  return now;
}

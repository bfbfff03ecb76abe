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

const RELATIVE = new Intl.RelativeTimeFormat("en-GB");
const UNITS = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
] as const;

/** "3 minutes ago", "in 7 days" or "just now": `ms` as seen from `now`, both Unix time in milliseconds. */
export function relative(ms: number, now: number): string {
  const distance = ms - now;
  const unit = UNITS.find(([, length]) => Math.abs(distance) >= length);
  if (unit) return RELATIVE.format(Math.round(distance / unit[1]), unit[0]);
  return distance > 0 ? "in less than a minute" : "just now";
}

/** The local clock in milliseconds, read again after every `periodMs`. */
export function useNow(periodMs = 1000): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), periodMs);
    return () => clearInterval(timer);
  }, [periodMs]);
  return now;
}

import { dateTime, relative, useNow } from "../time.ts";

/** A time as seen from now ("3 minutes ago"), with the exact one as its title. `at` is RFC 3339. */
export function Ago({ at }: { at: string }) {
  const ms = Date.parse(at);
  return (
    <time dateTime={at} title={dateTime(ms)}>
      {relative(ms, useNow(10_000))}
    </time>
  );
}

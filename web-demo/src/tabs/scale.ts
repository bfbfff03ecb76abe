/** What part of the time line's width lies ahead. */
const AHEAD = 0.18;

/** How much time the time line shows, with the distance of its marks; in milliseconds. */
export interface Span {
  readonly label: string;
  readonly ms: number;
  readonly step: number;
}

export const SPANS = [
  { label: "1 min", ms: 60_000, step: 10_000 },
  { label: "5 min", ms: 300_000, step: 60_000 },
  { label: "30 min", ms: 1_800_000, step: 300_000 },
] as const satisfies readonly Span[];

/** Where times stand on the time line, from its left end to its right end in percent. */
export interface Scale {
  readonly from: number;
  readonly to: number;
  readonly now: number;
  readonly marks: readonly number[];
  /** Kept within the ends, so that what began long ago begins at the left end. */
  x(ms: number): string;
}

/** The time line that shows `span` at `now`. */
export function scaleAt(now: number, { ms, step }: Span): Scale {
  const from = now - ms * (1 - AHEAD);
  const to = now + ms * AHEAD;
  const first = Math.ceil(from / step) * step;
  const marks = Array.from({ length: Math.ceil((to - first) / step) }, (_, n) => first + n * step);
  const share = (time: number) => Math.min(Math.max((time - from) / (to - from), -0.02), 1.02);
  return { from, to, now, marks, x: (time) => `${(share(time) * 100).toFixed(3)}%` };
}

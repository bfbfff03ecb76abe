/** What part of the time line's width lies ahead. */
export const AHEAD = 0.18;

/** No mark stands so near to the left end that its name would be cut. */
const EDGE = 0.04;

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

/** A time that the axis names. A narrow screen has room for every second name only. */
export interface Mark {
  readonly at: number;
  readonly isMinor: boolean;
}

/** Where times stand on the time line, from its left end to its right end in percent. */
export interface Scale {
  readonly from: number;
  readonly to: number;
  readonly now: number;
  readonly marks: readonly Mark[];
  /** Kept within the ends, so that what began long ago begins at the left end. */
  x(ms: number): string;
}

/** The time line that shows `span` at `now`. */
export function scaleAt(now: number, { ms, step }: Span): Scale {
  const from = now - ms * (1 - AHEAD);
  const to = now + ms * AHEAD;
  const first = Math.ceil((from + ms * EDGE) / step);
  const marks = Array.from({ length: Math.ceil(to / step) - first }, (_, n) =>
    mark(first + n, step),
  );
  const share = (time: number) => Math.min(Math.max((time - from) / (to - from), -0.02), 1.02);
  return { from, to, now, marks, x: (time) => `${(share(time) * 100).toFixed(3)}%` };
}

function mark(number: number, step: number): Mark {
  return { at: number * step, isMinor: number % 2 === 1 };
}

import { type CSSProperties, useState, useSyncExternalStore } from "react";
import { timeOfDay, useNow } from "../time.ts";
import { Button } from "../ui/button.tsx";
import { Fading, Happenings, LANE, Tokens } from "./lane.tsx";
import { Legend } from "./legend.tsx";
import type { Locks } from "./locks.ts";
import type { Tab } from "./report.ts";
import { AHEAD, type Scale, SPANS, type Span, scaleAt } from "./scale.ts";
import { handovers, nameOf, phaseOf } from "./story.ts";

const AXIS = 26;

/** What happened in the tabs, one lane for each, moving with the time. The log beneath it says the same in words. */
export function TimeLine({ tabs, locks }: { tabs: readonly Tab[]; locks: Locks }) {
  const [span, setSpan] = useState<Span>(SPANS[0]);
  const [pausedAt, setPausedAt] = useState<number | null>(null);
  const clock = useNow(useTick(span));
  const now = pausedAt ?? clock;
  const scale = scaleAt(now, span);
  const lanes = tabs.filter(({ closedAt }) => closedAt === null || closedAt > scale.from);
  return (
    <section className="card time-line" aria-labelledby="time-line">
      <div className="time-line-head">
        <h2 id="time-line">Who asks the server</h2>
        <fieldset className="segments">
          <legend className="visually-hidden">How much time is shown</legend>
          {SPANS.map((one) => (
            <button
              key={one.label}
              type="button"
              aria-pressed={one === span}
              onClick={() => setSpan(one)}
            >
              {one.label}
            </button>
          ))}
        </fieldset>
        <Button onClick={() => setPausedAt(pausedAt === null ? Date.now() : null)}>
          {pausedAt === null ? "Pause" : "Go on"}
        </Button>
      </div>
      <div className="lanes" style={{ "--lane": `${LANE}px` } as CSSProperties}>
        <ol className="lane-names" aria-label="Lanes">
          {lanes.map((tab) => (
            <LaneName key={tab.id} tab={tab} locks={locks} now={now} />
          ))}
        </ol>
        <Drawing lanes={lanes} scale={scale} />
      </div>
      <Legend />
    </section>
  );
}

function LaneName({ tab, locks, now }: { tab: Tab; locks: Locks; now: number }) {
  return (
    <li data-this={tab.isThis || undefined}>
      <b>{nameOf(tab)}</b>
      <span>{noteOf(tab, locks, now)}</span>
    </li>
  );
}

function noteOf(tab: Tab, locks: Locks, now: number): string {
  if (tab.closedAt !== null) return "closed";
  if (tab.clientId !== null && tab.clientId === locks.holder) return "holds the lock";
  if (tab.clientId !== null && locks.waiting.includes(tab.clientId)) return "waits for it";
  if (tab.isThis) return "this one";
  return phaseOf(tab, now);
}

function Drawing({ lanes, scale }: { lanes: readonly Tab[]; scale: Scale }) {
  const height = lanes.length * LANE;
  const middle = (tab: Tab) => (lanes.indexOf(tab) + 0.5) * LANE;
  return (
    <svg
      className="lanes-drawing"
      height={height + AXIS}
      role="img"
      aria-label="Calls and tokens of each tab; the list “What happened” has them in words"
    >
      <Fading />
      {scale.marks.map(({ at, isMinor }) => (
        <g key={at} className="lanes-mark" data-minor={isMinor || undefined}>
          <line x1={scale.x(at)} x2={scale.x(at)} y1="0" y2={height} />
          <text x={scale.x(at)} y={height + 18}>
            {timeOfDay(at)}
          </text>
        </g>
      ))}
      {lanes.map((tab) => (
        <Tokens key={tab.id} tab={tab} y={middle(tab)} scale={scale} />
      ))}
      <rect
        className="lanes-ahead"
        x={scale.x(scale.now)}
        y="0"
        width={`${AHEAD * 100}%`}
        height={height}
      />
      {handovers(lanes).map(({ from, to, sentAt, grant }) => (
        <line
          key={`${to.id} ${grant.at}`}
          className="lanes-handover"
          x1={scale.x(sentAt)}
          x2={scale.x(grant.at)}
          y1={middle(from)}
          y2={middle(to)}
        />
      ))}
      {lanes.map((tab) => (
        <Happenings key={tab.id} tab={tab} y={middle(tab)} scale={scale} />
      ))}
      <line
        className="lanes-now"
        x1={scale.x(scale.now)}
        x2={scale.x(scale.now)}
        y1="0"
        y2={height}
      />
    </svg>
  );
}

const motion = matchMedia("(prefers-reduced-motion: reduce)");

function subscribe(notify: () => void): () => void {
  motion.addEventListener("change", notify);
  return () => motion.removeEventListener("change", notify);
}

/** How often the drawing moves: about a pixel at a time, or once a second for those who want less motion. */
function useTick({ ms }: Span): number {
  const isCalm = useSyncExternalStore(subscribe, () => motion.matches);
  return Math.max(isCalm ? 1000 : 100, ms / 800);
}

import type { CallEvent, GrantEvent, HoldEvent, Tab, TabEvent } from "./report.ts";
import type { Scale } from "./scale.ts";

/** The height of a lane, as wide as a finger. */
export const LANE = 52;
const BAND = 16;

interface LaneProps {
  tab: Tab;
  /** The lane's middle. */
  y: number;
  scale: Scale;
}

/** How long the tab was there, and which token it had when. */
export function Tokens({ tab, y, scale }: LaneProps) {
  const { openedAt, closedAt } = tab;
  return (
    <g className="lane" data-closed={closedAt === null ? undefined : ""}>
      <line
        className="lane-life"
        x1={scale.x(openedAt)}
        x2={scale.x(closedAt ?? scale.now)}
        y1={y}
        y2={y}
      />
      {grantsOf(tab).map((grant) => (
        <Band key={grant.at} grant={grant} until={endOf(grant, tab)} y={y} scale={scale} />
      ))}
    </g>
  );
}

/** What happened in the tab, and when it means to renew. */
export function Happenings({ tab, y, scale }: LaneProps) {
  const { history, closedAt, refreshAt } = tab;
  const shown = history.filter((event) => lastOf(event) > scale.from);
  return (
    <g className="lane" data-closed={closedAt === null ? undefined : ""}>
      {refreshAt !== null && closedAt === null && (
        <circle className="lane-plan" cx={scale.x(refreshAt)} cy={y} r="5" />
      )}
      {shown.map((event) => (
        <Happening key={`${event.kind} ${event.at}`} event={event} y={y} scale={scale} />
      ))}
    </g>
  );
}

/** The paint of a token: it is fresh at first, and pales with its age. */
export function Fading() {
  return (
    <defs>
      <linearGradient id="fading">
        <stop className="fresh" offset="0" />
        <stop className="old" offset="1" />
      </linearGradient>
    </defs>
  );
}

interface BandProps {
  grant: GrantEvent;
  until: number;
  y: number;
  scale: Scale;
}

/** The time in which the tab uses this grant. */
function Band({ grant, until, y, scale }: BandProps) {
  if (until < scale.from || until <= grant.at) return null;
  const [x, end] = [scale.x(grant.at), scale.x(until)];
  const width = `${(Number.parseFloat(end) - Number.parseFloat(x)).toFixed(3)}%`;
  return (
    <rect
      className="lane-band"
      x={x}
      y={y - BAND / 2}
      width={width}
      height={BAND}
      rx="3"
      fill="url(#fading)"
    />
  );
}

function Happening({ event, ...place }: { event: TabEvent } & Omit<LaneProps, "tab">) {
  const { y, scale } = place;
  switch (event.kind) {
    case "call":
      return <Call call={event} {...place} />;
    case "hold":
      return <Hold hold={event} {...place} />;
    case "grant":
      return event.isOwn ? null : (
        <circle className="lane-takeover" cx={scale.x(event.at)} cy={y} r="5" />
      );
    case "in":
    case "out":
      return (
        <line
          className={`lane-${event.kind}`}
          x1={scale.x(event.at)}
          x2={scale.x(event.at)}
          y1={y - 15}
          y2={y + 15}
        />
      );
  }
}

function Call({ call, y, scale }: { call: CallEvent } & Omit<LaneProps, "tab">) {
  const { at, end, operation, outcome } = call;
  const state = outcome === null ? "pending" : outcome === "granted" ? "granted" : "refused";
  return (
    <line
      className="lane-call"
      data-state={state}
      data-operation={operation}
      x1={scale.x(at)}
      x2={scale.x(end ?? scale.now)}
      y1={y}
      y2={y}
    />
  );
}

function Hold({ hold, y, scale }: { hold: HoldEvent } & Omit<LaneProps, "tab">) {
  const [x1, x2] = [scale.x(hold.at), scale.x(hold.end ?? scale.now)];
  return <line className="lane-hold" x1={x1} x2={x2} y1={y + 14} y2={y + 14} />;
}

function lastOf(event: TabEvent): number {
  return "end" in event ? (event.end ?? Number.POSITIVE_INFINITY) : event.at;
}

function grantsOf({ history }: Tab): GrantEvent[] {
  return history.filter((event) => event.kind === "grant");
}

/** Until the next grant, the sign-out, the end of the tab or that of the token, whichever is first. */
function endOf(grant: GrantEvent, { history, closedAt }: Tab): number {
  const next = history.find(
    ({ kind, at }) => (kind === "out" || kind === "grant") && at > grant.at,
  );
  return Math.min(next?.at ?? grant.expiresAt, grant.expiresAt, closedAt ?? grant.expiresAt);
}

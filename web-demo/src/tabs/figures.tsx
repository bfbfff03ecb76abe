import type { Totals } from "./story.ts";

/** What the tabs cost the server, in four numbers. */
export function Figures({ totals: { open, renewals, calls, takeovers } }: { totals: Totals }) {
  return (
    <dl className="figures" data-testid="figures">
      <Figure value={open} label={open === 1 ? "tab open" : "tabs open"} />
      <Figure value={renewals} label={renewals === 1 ? "renewal" : "renewals"} />
      <Figure value={calls} label={calls === 1 ? "call to renew" : "calls to renew"} />
      <Figure value={takeovers} label={takeovers === 1 ? "call spared" : "calls spared"} />
    </dl>
  );
}

function Figure({ value, label }: { value: number; label: string }) {
  return (
    <div>
      <dt>{label}</dt>
      <dd>{value}</dd>
    </div>
  );
}

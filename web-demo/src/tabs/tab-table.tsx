import type { SessionStatus } from "@countersign/client";
import { relative, timeOfDay, useNow } from "../time.ts";
import type { Tab } from "./report.ts";
import { isSilent } from "./roster.ts";
import { nameOf, totals } from "./story.ts";

/** The tabs that are open, with what each says of itself. */
export function TabTable({ tabs }: { tabs: readonly Tab[] }) {
  const now = useNow();
  const open = tabs.filter(({ closedAt }) => closedAt === null);
  return (
    <table className="people tabs-table">
      <caption className="visually-hidden">Tabs of this browser</caption>
      <thead>
        <tr>
          <th scope="col">Tab</th>
          <th scope="col">Session</th>
          <th scope="col" className="wide-only">
            Token until
          </th>
          <th scope="col">Asked</th>
          <th scope="col">Took over</th>
        </tr>
      </thead>
      <tbody>
        {open.map((tab) => (
          <Row key={tab.id} tab={tab} now={now} />
        ))}
      </tbody>
    </table>
  );
}

function Row({ tab, now }: { tab: Tab; now: number }) {
  const { calls, takeovers } = totals([tab]);
  return (
    <tr>
      <th scope="row">
        {nameOf(tab)} {tab.isThis && <span className="pill">This tab</span>}
        <span className="people-email">
          {isSilent(tab, now) ? "silent: asleep or gone" : tab.phase} · opened{" "}
          {relative(tab.openedAt, now)}
        </span>
      </th>
      <td>{tab.userName ?? STATUS_WORDS[tab.status]}</td>
      <td className="wide-only">{tab.expiresAt === null ? "–" : timeOfDay(tab.expiresAt)}</td>
      <td>{calls} ×</td>
      <td>{takeovers} ×</td>
    </tr>
  );
}

const STATUS_WORDS: Readonly<Record<SessionStatus, string>> = {
  restoring: "One moment…",
  anonymous: "Nobody",
  live: "",
  refreshing: "",
  backoff: "",
  stale: "",
  "signed-out": "Signed out",
};

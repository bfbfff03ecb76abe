import { timeOfDay, useNow } from "../time.ts";
import type { Tab } from "./report.ts";
import { nameOf, phaseOf, totals } from "./story.ts";

/** The tabs that are open, with what each says of itself. */
export function TabTable({ tabs }: { tabs: readonly Tab[] }) {
  const now = useNow();
  const open = tabs.filter(({ closedAt }) => closedAt === null);
  return (
    <table className="table tabs-table">
      <caption className="visually-hidden">Tabs of this browser</caption>
      <thead>
        <tr>
          <th scope="col">Tab</th>
          <th scope="col">Signed in</th>
          <th scope="col" className="wide-only">
            Token until
          </th>
          <th scope="col">Calls</th>
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
        <span className="table-note">
          {phaseOf(tab, now)} · since {timeOfDay(tab.openedAt)}
        </span>
      </th>
      <td>{tab.userName ?? (tab.status === "restoring" ? "One moment…" : "Nobody")}</td>
      <td className="wide-only">{tab.expiresAt === null ? "–" : timeOfDay(tab.expiresAt)}</td>
      <td>{calls}</td>
      <td>{takeovers}</td>
    </tr>
  );
}

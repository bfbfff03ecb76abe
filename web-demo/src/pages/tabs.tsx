import { Link } from "react-router";
import { isAboutToKnow, isSignedIn, useSession } from "../client.ts";
import { Acts } from "../tabs/acts.tsx";
import { Figures } from "../tabs/figures.tsx";
import { Lock } from "../tabs/lock.tsx";
import { useLocks } from "../tabs/locks.ts";
import { Log } from "../tabs/log.tsx";
import { useTabs } from "../tabs/roster.ts";
import { story, totals } from "../tabs/story.ts";
import { TabTable } from "../tabs/tab-table.tsx";
import { TimeLine } from "../tabs/time-line.tsx";
import { Page } from "../ui/page.tsx";

/** The tabs of this browser at work: who renews, who takes over, who holds the lock. For everybody, to see sign-outs too. */
export function TabsPage() {
  const session = useSession();
  const tabs = useTabs();
  const locks = useLocks();
  return (
    <Page
      title="Tabs"
      heading="One browser, one renewal"
      lead="All tabs of this browser share one short-lived token. When it is time, a single tab asks the server for the next one and hands it to the others: however many tabs are open, it is one call."
      className="tabs-page"
    >
      <div className="tabs-top">
        <Figures totals={totals(tabs)} />
        <Acts />
      </div>
      {!isAboutToKnow(session) && !isSignedIn(session) && (
        <p className="notice notice-info">
          Nobody is signed in.{" "}
          <Link to="/sign-in" state={{ from: "/tabs" }}>
            Sign in
          </Link>
          , and watch every tab follow.
        </p>
      )}
      <TimeLine tabs={tabs} locks={locks} />
      <TabTable tabs={tabs} />
      <div className="columns">
        <Log entries={story(tabs)} />
        <Lock tabs={tabs} locks={locks} />
      </div>
    </Page>
  );
}

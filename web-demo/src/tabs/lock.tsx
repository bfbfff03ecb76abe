import type { Locks } from "./locks.ts";
import { LOCK } from "./locks.ts";
import type { Tab } from "./report.ts";
import { nameOf } from "./story.ts";

/** Who holds the client's lock and who waits for it. */
export function Lock({ tabs, locks }: { tabs: readonly Tab[]; locks: Locks }) {
  const nameBy = (clientId: string) => {
    const tab = tabs.find((one) => one.clientId === clientId);
    return tab ? nameOf(tab) : "Another page";
  };
  const { holder, waiting, spareHolder } = locks;
  return (
    <section className="card" aria-labelledby="lock">
      <h2 id="lock">The lock</h2>
      <dl className="facts" data-testid="lock">
        <dt>Name</dt>
        <dd>
          <code>{LOCK}</code>
        </dd>
        <dt>Held by</dt>
        <dd>{holder === null ? "Nobody: it is free" : nameBy(holder)}</dd>
        <dt>Waiting</dt>
        <dd>{waiting.length === 0 ? "Nobody" : waiting.map(nameBy).join(", ")}</dd>
        {spareHolder !== null && (
          <>
            <dt>Went on</dt>
            <dd>{nameBy(spareHolder)}, after 5 seconds of waiting</dd>
          </>
        )}
      </dl>
      <p className="muted lock-why">
        One tab at a time may change the sign-in of this browser. A tab that hangs while it holds
        the lock stops nobody: the others go on after five seconds.
      </p>
    </section>
  );
}

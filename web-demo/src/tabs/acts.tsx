import { useState } from "react";
import { useSession } from "../client.ts";
import { messageFor } from "../messages.ts";
import { Button } from "../ui/button.tsx";
import { Notice } from "../ui/notice.tsx";
import { LOCK } from "./locks.ts";
import { renewEverywhere } from "./roster.ts";
import { record } from "./this-tab.ts";

const HOLD_MS = 10_000;

/** What a visitor can do to see the tabs at work. */
export function Acts() {
  const [problem, setProblem] = useState<string | null>(null);
  const [renewing, setRenewing] = useState(false);
  const [holding, setHolding] = useState(false);
  const isSignedIn = useSession().user !== null;

  async function renew() {
    setProblem(null);
    setRenewing(true);
    await renewEverywhere().catch((error: unknown) => setProblem(messageFor(error)));
    setRenewing(false);
  }

  async function hold() {
    setHolding(true);
    await holdLock().catch((error: unknown) => setProblem(messageFor(error)));
    setHolding(false);
  }

  return (
    <>
      <div className="actions">
        <a className="button button-primary" href="/tabs" target="_blank" rel="noopener">
          Open another tab
        </a>
        <Button busy={renewing} waiting={!isSignedIn} onClick={() => void renew()}>
          Renew in all tabs at once
        </Button>
        <Button busy={holding} onClick={() => void hold()}>
          {holding ? "Holding the lock…" : "Hold the lock for 10 s"}
        </Button>
      </div>
      {problem && isSignedIn && <Notice tone="bad">{problem}</Notice>}
    </>
  );
}

/** Holds the client's lock as a tab would that hangs in the middle of a renewal: the others go on after five seconds. */
async function holdLock(): Promise<void> {
  await navigator.locks.request(LOCK, async () => {
    const held = { kind: "hold", at: Date.now(), end: null } as const;
    record(held);
    await new Promise((resolve) => setTimeout(resolve, HOLD_MS));
    record({ ...held, end: Date.now() }, held);
  });
}

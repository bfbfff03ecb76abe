import type { SessionState } from "@countersign/client";
import { type CSSProperties, useState } from "react";
import { client } from "../client.ts";
import { messageFor } from "../messages.ts";
import { countdown, timeOfDay, useNow } from "../time.ts";
import { Button } from "../ui/button.tsx";
import { Notice } from "../ui/notice.tsx";
import { useRenewals } from "./renewals.ts";

/** How long the token still lives, when it will be renewed, and the renewals so far. */
export function Life({ session }: { session: SessionState }) {
  const { issuedAt, refreshAt, expiresAt } = session;
  return (
    <section className="card" aria-labelledby="life">
      <h2 id="life">Its life</h2>
      {issuedAt !== null && expiresAt !== null && (
        <LifeBar issuedAt={issuedAt} refreshAt={refreshAt} expiresAt={expiresAt} />
      )}
      <RenewNow />
      <RenewalLog count={session.renewals} />
    </section>
  );
}

interface LifeBarProps {
  issuedAt: number;
  refreshAt: number | null;
  expiresAt: number;
}

/**
 * Time runs from left to right: what is left of the life is filled, up to the end. The bar glides from one second to
 * the next by a CSS transition; nothing runs in between.
 */
function LifeBar({ issuedAt, refreshAt, expiresAt }: LifeBarProps) {
  // The clock was read up to a second ago, which may be before this token was asked for.
  const now = Math.max(useNow(), issuedAt);
  const life = expiresAt - issuedAt;
  const left = Math.min(1, Math.max(0, (expiresAt - now) / life));
  const percent = Math.round(left * 100);
  const renewal = refreshAt === null ? 1 : (refreshAt - issuedAt) / life;
  return (
    <div className="life" style={{ "--left": left, "--renewal": renewal } as CSSProperties}>
      <p className="life-left">
        {now < expiresAt ? (
          <>
            <strong>{countdown(expiresAt - now)}</strong> left
          </>
        ) : (
          <strong>Run out</strong>
        )}
      </p>
      {refreshAt !== null && (
        <p className="life-renewal">
          <span>Renewal at {timeOfDay(refreshAt)}</span>
        </p>
      )}
      <div
        className="life-bar"
        role="progressbar"
        aria-label="Life left of this token"
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={percent}
        aria-valuetext={`${percent} percent left`}
      >
        <span className="life-fill" />
        {refreshAt !== null && <span className="life-mark" />}
      </div>
      <p className="life-ends">
        <span>From {timeOfDay(issuedAt)}</span>
        <span>Until {timeOfDay(expiresAt)}</span>
      </p>
    </div>
  );
}

function RenewNow() {
  const [busy, setBusy] = useState(false);
  const [outcome, setOutcome] = useState<{ tone: "good" | "bad"; text: string } | null>(null);

  async function renew() {
    setBusy(true);
    setOutcome(null);
    try {
      await client.session.token({ force: true });
      setOutcome({ tone: "good", text: "Renewed on request." });
    } catch (error) {
      setOutcome({ tone: "bad", text: messageFor(error) });
    } finally {
      setBusy(false);
    }
  }

  return (
    <div className="renew-now">
      <Button busy={busy} onClick={() => void renew()}>
        {busy ? "Renewing…" : "Renew now"}
      </Button>
      {outcome && <Notice tone={outcome.tone}>{outcome.text}</Notice>}
    </div>
  );
}

function RenewalLog({ count }: { count: number }) {
  const renewals = useRenewals();
  return (
    <>
      <h3>
        Renewals in this page: <output data-testid="renewals">{count}</output>
      </h3>
      {renewals.length === 0 ? (
        <p className="muted">None yet. The first happens by itself, before the bar runs out.</p>
      ) : (
        <ol className="renewals" reversed start={renewals[0]?.number}>
          {renewals.map((renewal) => (
            <li key={renewal.number}>
              <time dateTime={new Date(renewal.at).toISOString()}>{timeOfDay(renewal.at)}</time>
              <span>
                new token, good until <b>{timeOfDay(renewal.expiresAt)}</b>
              </span>
            </li>
          ))}
        </ol>
      )}
    </>
  );
}

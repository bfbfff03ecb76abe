import { useCallback } from "react";
import { useSearchParams } from "react-router";
import { KINDS } from "../audit/kinds.ts";
import { PersonFilter } from "../audit/person-filter.tsx";
import { Trail } from "../audit/trail.tsx";
import { mayActAs, useSession } from "../client.ts";
import { Page } from "../ui/page.tsx";

/** The audit trail: one's own, or everybody's for an administrator. The filters live in the address. */
export function AuditPage() {
  const { user } = useSession();
  const [params, setParams] = useSearchParams();
  const set = useCallback(
    (name: string, value: string | null) => {
      setParams((last) => {
        if (value) last.set(name, value);
        else last.delete(name);
        return new URLSearchParams(last);
      });
    },
    [setParams],
  );
  const pick = useCallback((userId: string | null) => set("user", userId), [set]);
  if (user === null) return null;

  const seesAll = mayActAs(user.role, "ADMIN");
  const userId = seesAll ? params.get("user") : user.id;
  const kind = Object.keys(KINDS).find((known) => known === params.get("kind")) ?? null;
  return (
    <Page
      title="Audit trail"
      lead={
        seesAll
          ? "What happened to every account and session, newest first."
          : "What happened to your account and your sessions, newest first. Change your password if you find something that was not you."
      }
    >
      <search className="filters filters-even">
        <label>
          <span>Event</span>
          <select value={kind ?? ""} onChange={(event) => set("kind", event.target.value)}>
            <option value="">Every kind</option>
            {Object.entries(KINDS).map(([name, { words }]) => (
              <option key={name} value={name}>
                {words}
              </option>
            ))}
          </select>
        </label>
        {seesAll && <PersonFilter userId={userId} onPick={pick} />}
      </search>
      <Trail key={`${kind} ${userId}`} userId={userId} kind={kind} />
    </Page>
  );
}

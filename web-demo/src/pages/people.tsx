import type { User } from "@countersign/client";
import { useEffect, useRef, useState } from "react";
import { Link, useLocation, useSearchParams } from "react-router";
import { useAnswer } from "../answer.ts";
import { mayActAs, useSession } from "../client.ts";
import { USERS, type UsersData } from "../queries.ts";
import { date } from "../time.ts";
import { Button } from "../ui/button.tsx";
import { Failure } from "../ui/failure.tsx";
import { NeedsManager } from "../ui/needs-manager.tsx";
import { Notice } from "../ui/notice.tsx";
import { Page } from "../ui/page.tsx";
import { RolePill } from "../ui/role-pill.tsx";

const PAGE_SIZE = 10;
const ROLES = ["USER", "MANAGER", "ADMIN"];
const TYPING_PAUSE_MS = 250;

/** All accounts, for managers and administrators. */
export function PeoplePage() {
  const { user } = useSession();
  if (user === null) return null;
  if (!mayActAs(user.role, "MANAGER")) return <NeedsManager title="People" user={user} />;
  return (
    <Page title="People" lead="Everyone with an account. You see this because your role allows it.">
      <People />
    </Page>
  );
}

/** The filters live in the address, so that a filtered list can be bookmarked and survives a reload. */
function People() {
  const [params, setParams] = useSearchParams();
  const { state } = useLocation();
  const role = ROLES.find((known) => known === params.get("role")) ?? "";
  const search = params.get("search") ?? "";
  const [typed, setTyped] = useState(search);
  const typing = useRef<ReturnType<typeof setTimeout>>(undefined);

  function filter(name: string, value: string) {
    // From the window and not from `params`, which may be a render older than a pause in typing.
    const next = new URLSearchParams(location.search);
    if (value === "") next.delete(name);
    else next.set(name, value);
    setParams(next, { replace: true });
  }

  function type(text: string) {
    setTyped(text);
    clearTimeout(typing.current);
    typing.current = setTimeout(() => filter("search", text.trim()), TYPING_PAUSE_MS);
  }

  useEffect(() => () => clearTimeout(typing.current), []);

  return (
    <>
      <search className="filters">
        <label>
          <span>Search</span>
          <input
            type="search"
            value={typed}
            placeholder="Name or address"
            onChange={(event) => type(event.target.value)}
          />
        </label>
        <label>
          <span>Role</span>
          <select value={role} onChange={(event) => filter("role", event.target.value)}>
            <option value="">Any role</option>
            {ROLES.map((known) => (
              <option key={known}>{known}</option>
            ))}
          </select>
        </label>
      </search>
      {state?.deleted && <Notice tone="good">{state.deleted} was deleted.</Notice>}
      <PeoplePages key={`${role} ${search}`} role={role} search={search} />
    </>
  );
}

/** One page of the list at a time; the cursors of the pages already seen lead back. */
function PeoplePages({ role, search }: { role: string; search: string }) {
  const [trail, setTrail] = useState<readonly string[]>([]);
  const answer = useAnswer<UsersData>(USERS, {
    first: PAGE_SIZE,
    after: trail.at(-1) ?? null,
    search: search === "" ? null : search,
    role: role === "" ? null : role,
  });
  const { data, error, loading } = answer;
  const page = data?.users;
  const next = page?.pageInfo.hasNextPage ? page.pageInfo.endCursor : null;
  if (error !== null) return <Failure answer={answer} />;
  return (
    <div aria-busy={loading}>
      {page && <PeopleTable people={page.edges.map((edge) => edge.node)} />}
      {(next !== null || trail.length > 0) && (
        <div className="pager">
          <Button
            disabled={trail.length === 0}
            busy={loading}
            onClick={() => setTrail(trail.slice(0, -1))}
          >
            Previous
          </Button>
          <p role="status">{loading ? "Loading…" : `Page ${trail.length + 1}`}</p>
          <Button
            disabled={next === null}
            busy={loading}
            onClick={() => next !== null && setTrail([...trail, next])}
          >
            Next
          </Button>
        </div>
      )}
    </div>
  );
}

function PeopleTable({ people }: { people: readonly User[] }) {
  if (people.length === 0)
    return <p className="empty">Nobody matches. Try fewer letters or another role.</p>;
  return (
    <table className="table">
      <caption className="visually-hidden">Accounts</caption>
      <thead>
        <tr>
          <th scope="col">Person</th>
          <th scope="col">Role</th>
          <th scope="col" className="wide-only">
            State
          </th>
          <th scope="col" className="wide-only">
            Member since
          </th>
        </tr>
      </thead>
      <tbody>
        {people.map((person) => (
          <tr key={person.id}>
            <th scope="row">
              <Link to={`/people/${person.id}`}>{person.name}</Link>
              <span className="table-note">{person.email}</span>
            </th>
            <td>
              <RolePill role={person.role} />
            </td>
            <td className="wide-only">{person.disabled ? "Switched off" : "Active"}</td>
            <td className="wide-only">
              <time dateTime={person.createdAt}>{date(Date.parse(person.createdAt))}</time>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

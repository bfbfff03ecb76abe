import type { User } from "@countersign/client";
import { useState } from "react";
import { Link, useParams } from "react-router";
import { useAnswer } from "../answer.ts";
import { Trail } from "../audit/trail.tsx";
import { mayActAs, useSession } from "../client.ts";
import { Administration } from "../people/administration.tsx";
import { PERSON, type PersonData } from "../queries.ts";
import { date } from "../time.ts";
import { Failure } from "../ui/failure.tsx";
import { NeedsManager } from "../ui/needs-manager.tsx";
import { Page } from "../ui/page.tsx";
import { Restoring } from "../ui/restoring.tsx";
import { RolePill } from "../ui/role-pill.tsx";

/** One account, for managers to see and for administrators to change. */
export function PersonPage() {
  const { user } = useSession();
  const { id = "" } = useParams();
  if (user === null) return null;
  if (!mayActAs(user.role, "MANAGER")) return <NeedsManager title="Person" user={user} />;
  return <Person key={id} id={id} viewer={user} />;
}

function Person({ id, viewer }: { id: string; viewer: User }) {
  const [round, setRound] = useState(0);
  const answer = useAnswer<PersonData>(PERSON, { id }, `${round} ${viewer.role}`);
  const { data, loading, error } = answer;
  const person = data?.user;
  const isAdmin = mayActAs(viewer.role, "ADMIN");
  return (
    <Page title={person?.name ?? "Person"} lead={<Link to="/people">All people</Link>}>
      <Failure answer={answer} />
      {data === null && loading && <Restoring />}
      {error === null && !loading && !person && <p className="empty">There is no such account.</p>}
      {person && (
        <div className="columns">
          <div>
            <Facts person={person} />
            {isAdmin && (
              <Administration
                person={person}
                isOwn={person.id === viewer.id}
                onChanged={() => setRound(round + 1)}
              />
            )}
          </div>
          {isAdmin && (
            <section aria-labelledby="trail">
              <h2 id="trail">What happened</h2>
              <Trail userId={person.id} kind={null} version={round} />
            </section>
          )}
        </div>
      )}
    </Page>
  );
}

function Facts({ person }: { person: User }) {
  return (
    <section className="card" aria-label="Account">
      <dl className="facts">
        <dt>E-mail</dt>
        <dd>{person.email}</dd>
        <dt>Role</dt>
        <dd>
          <RolePill role={person.role} />
        </dd>
        <dt>State</dt>
        <dd>{person.disabled ? "Switched off" : "Active"}</dd>
        <dt>Member since</dt>
        <dd>
          <time dateTime={person.createdAt}>{date(Date.parse(person.createdAt))}</time>
        </dd>
        <dt>Account id</dt>
        <dd>
          <code>{person.id}</code>
        </dd>
      </dl>
    </section>
  );
}

import { useState } from "react";
import { Link } from "react-router";
import { useAnswer } from "../answer.ts";
import { AUTH_EVENTS, type AuthEvent, type AuthEventsData } from "../queries.ts";
import { dateTime } from "../time.ts";
import { Button } from "../ui/button.tsx";
import { Failure } from "../ui/failure.tsx";
import { Restoring } from "../ui/restoring.tsx";
import { kindOf, shortAgent } from "./kinds.ts";

const PAGE_SIZE = 20;

interface TrailProps {
  /** Only this person's events. */
  userId: string | null;
  kind: string | null;
  /** Asks again when it changes. */
  version?: number;
}

/** Events, newest first. Each page begins where the one before it ended, so those that arrive meanwhile shift nothing. */
export function Trail(props: TrailProps) {
  return (
    <ol className="trail" aria-label="Events">
      <Events {...props} after={null} />
    </ol>
  );
}

function Events({ userId, kind, version = 0, after }: TrailProps & { after: string | null }) {
  const variables = { first: PAGE_SIZE, after, userId, kind };
  const answer = useAnswer<AuthEventsData>(AUTH_EVENTS, variables, version);
  const [more, setMore] = useState(false);
  const page = answer.data?.authEvents;
  if (!page) {
    return (
      <li>
        <Failure answer={answer} />
        {answer.loading && <Restoring />}
      </li>
    );
  }
  if (page.edges.length === 0 && after === null) {
    return <li className="empty">Nothing has happened that fits.</li>;
  }
  const next = page.pageInfo.hasNextPage ? page.pageInfo.endCursor : null;
  return (
    <>
      {page.edges.map(({ node }) => (
        <Event key={node.id} event={node} showsWho={userId === null} />
      ))}
      {next !== null &&
        (more ? (
          <Events userId={userId} kind={kind} version={version} after={next} />
        ) : (
          <li className="trail-more">
            <Button onClick={() => setMore(true)}>Load more</Button>
          </li>
        ))}
    </>
  );
}

function Event({ event, showsWho }: { event: AuthEvent; showsWho: boolean }) {
  const { words, tone } = kindOf(event.kind);
  const isByAnother = event.actorId !== null && event.actorId !== event.userId;
  return (
    <li className="event" data-tone={tone} data-id={event.id}>
      <strong>{words}</strong>
      <time dateTime={event.at}>{dateTime(Date.parse(event.at))}</time>
      {(showsWho || isByAnother) && (
        <p className="event-who">
          {showsWho && <Who event={event} />}
          {isByAnother && <span> by {event.actor?.name ?? "an administrator"}</span>}
        </p>
      )}
      <p className="event-where">
        {event.userAgent && <span title={event.userAgent}>{shortAgent(event.userAgent)}</span>}
        {event.ipAddress && <span>{event.ipAddress}</span>}
        {event.sessionId && (
          <span>
            session <Short id={event.sessionId} />
          </span>
        )}
      </p>
    </li>
  );
}

function Who({ event: { user, userId } }: { event: AuthEvent }) {
  if (user) {
    return (
      <Link to={`/audit?user=${user.id}`} title={user.email}>
        {user.name}
      </Link>
    );
  }
  if (userId === null) return "An address without an account";
  return (
    <Link to={`/audit?user=${userId}`}>
      a deleted account (<Short id={userId} />)
    </Link>
  );
}

/** The end of an id, which is where two of one moment differ; the whole stands in the title. */
function Short({ id }: { id: string }) {
  return <code title={id}>…{id.slice(-8)}</code>;
}

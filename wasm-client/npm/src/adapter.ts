import { sessionChanged } from "./error.js";
import type { refusalOf } from "./refusal.js";
import type { Session } from "./types.js";

/** What an operation was sent with: the token, and its session. Both are null when nobody is signed in. */
export interface Sent {
  readonly token: string | null;
  readonly sessionId: string | null;
}

/**
 * What an operation that begins now goes with.
 *
 * @throws CountersignError as `session.token()`; `SESSION_CHANGED` when another session began meanwhile.
 */
export async function begin(session: Session): Promise<Sent> {
  const { sessionId } = session.state;
  return sentBy(session, await session.token(), sessionId);
}

/**
 * What an operation that was refused goes with the second time; undefined when the refusal stands. Of many that were
 * refused together, one renews.
 *
 * @throws CountersignError as `begin`.
 */
export async function renew(
  session: Session,
  sent: Sent,
  refusal: ReturnType<typeof refusalOf>,
): Promise<Sent | undefined> {
  try {
    const current = await session.token();
    const token = current === sent.token ? await session.token({ force: true }) : current;
    if (token && refusal === "renewable") return sentBy(session, token, sent.sessionId);
  } catch (error) {
    // An ended session learns it by the renewal; the answer stands whatever comes of that.
    if (refusal === "renewable") throw error;
  }
  return undefined;
}

/** What the session's owner asked for must not be done as somebody else. */
function sentBy({ state }: Session, token: string | null, owner: string | null): Sent {
  const sessionId = token && state.sessionId;
  if (token && owner && sessionId !== owner) throw sessionChanged();
  return { token, sessionId };
}

/** Whether headers hold an `Authorization` of their own, which wins. */
export function isAuthorised(headers: HeadersInit | undefined): boolean {
  return new Headers(headers).has("authorization");
}

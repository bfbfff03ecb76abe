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
  const token = await session.token();
  return { token, sessionId: token && sameSession(session, sessionId) };
}

/**
 * What an operation that was refused goes with the second time; null when the refusal stands. Of many that were refused
 * together, one renews.
 *
 * @throws CountersignError as `begin`.
 */
export async function renew(
  session: Session,
  sent: Sent,
  refusal: ReturnType<typeof refusalOf>,
): Promise<Sent | null> {
  if (refusal === "ended") {
    // The session learns it too; the answer stands whatever comes of that.
    await successor(session, sent).catch(() => {});
    return null;
  }
  const token = await successor(session, sent);
  if (token === null) return null;
  return { token, sessionId: sameSession(session, sent.sessionId) };
}

async function successor(session: Session, refused: Sent): Promise<string | null> {
  const token = await session.token();
  return token === refused.token ? session.token({ force: true }) : token;
}

/** The session now; what its owner asked for must not be done as somebody else. */
function sameSession({ state }: Session, owner: string | null): string | null {
  if (owner !== null && state.sessionId !== owner) throw sessionChanged();
  return state.sessionId;
}

/** Whether headers hold an `Authorization` of their own, which wins. */
export function isAuthorised(headers: HeadersInit | undefined): boolean {
  return new Headers(headers).has("authorization");
}

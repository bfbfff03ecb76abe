import { refusalOf, sessionChanged } from "./error.js";
import type { GraphQLAnswer } from "./graphql.js";
import type { Session } from "./types.js";

/** What an operation was sent with: the token, and its session. Both are null when nobody is signed in. */
export interface Sent {
  readonly token: string | null;
  readonly sessionId: string | null;
}

/**
 * What an operation goes with: one that begins now, or one that `sent` was refused for. Of many that were refused
 * together, one renews.
 *
 * @throws CountersignError as `session.token()`; `SESSION_CHANGED` when another session began meanwhile: what its owner
 * asked for must not be done as somebody else.
 */
export async function authorise(session: Session, sent?: Sent): Promise<Sent> {
  const owner = (sent ?? session.state).sessionId;
  let token = await session.token();
  if (token && token === sent?.token) token = await session.token({ force: true });
  const { sessionId } = session.state;
  if (token && owner && sessionId !== owner) throw sessionChanged();
  return { token, sessionId };
}

/**
 * After an answer that refuses the token: what the operation goes with the second time, or undefined when the answer
 * stands. Undefined at once where nothing was refused.
 */
export function again(
  session: Session,
  sent: Sent,
  answer: GraphQLAnswer,
): Promise<Sent | undefined> | undefined {
  const refusal = sent.token && refusalOf(answer);
  if (!refusal) return undefined;
  return authorise(session, sent).then(
    (next) => (next.token && refusal === "renewable" ? next : undefined),
    (error) => {
      // An ended session learns it by the renewal; the answer stands whatever comes of that.
      if (refusal === "renewable") throw error;
    },
  ) as Promise<Sent | undefined>;
}

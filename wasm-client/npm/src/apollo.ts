import { ApolloLink } from "@apollo/client/link";
import { defer, exhaustMap, from, of, switchMap } from "rxjs";
import { again, authorise, type Sent } from "./adapter.js";
import type { GraphQLAnswer } from "./graphql.js";
import type { Session } from "./types.js";

/**
 * A link for Apollo Client 4 that adds the session's access token to queries and mutations, and sends them again once with
 * a new one when the answer refuses it and nothing was executed. It stands before the link that sends.
 *
 * An operation with an `Authorization` of its own goes as it is; so do subscriptions, see `subscriptionOptions`. When it
 * cannot be known who is signed in, or that is somebody else by now (`SESSION_CHANGED`), the operation fails with the
 * `CountersignError`.
 */
export function authLink(session: Session): ApolloLink {
  /** A link before this one may repeat an operation, and then it has our header. */
  const ours = new WeakSet<ApolloLink.Operation>();
  return new ApolloLink((operation, forward) => {
    const isForeign =
      !ours.has(operation) && new Headers(operation.getContext().headers).has("authorization");
    if (isForeign || operation.operationType === "subscription") return forward(operation);
    ours.add(operation);
    const send = ({ token }: Sent) => {
      setToken(operation, token);
      return forward(operation);
    };
    const answer = (result: ApolloLink.Result, sent: Sent, isFirst: boolean) => {
      const next = isFirst && again(session, sent, result as GraphQLAnswer);
      return next
        ? from(next).pipe(switchMap((sent) => (sent ? send(sent) : of(result))))
        : of(result);
    };
    return defer(() => authorise(session)).pipe(
      switchMap((sent) =>
        send(sent).pipe(exhaustMap((result, index) => answer(result, sent, index === 0))),
      ),
    );
  });
}

function setToken(operation: ApolloLink.Operation, token: string | null): void {
  operation.setContext(({ headers: { authorization, ...headers } = {} }) => ({
    headers: token === null ? headers : { ...headers, authorization: `Bearer ${token}` },
  }));
}

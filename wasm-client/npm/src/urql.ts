import {
  type Exchange,
  makeErrorResult,
  makeOperation,
  type Operation,
  type OperationResult,
} from "@urql/core";
import { filter, fromPromise, makeSubject, map, merge, pipe, subscribe, takeUntil } from "wonka";
import { begin, isAuthorised, renew, type Sent } from "./adapter.js";
import { refusalOf } from "./refusal.js";
import type { Session } from "./types.js";

/** What a sent operation carries in its context: how it came, and whether its next answer is the first. */
interface Trip extends Sent {
  operation: Operation;
  isFresh: boolean;
}

/**
 * An exchange for urql that adds the session's access token to queries and mutations, and sends them again once with a new
 * one when the answer refuses it and nothing was executed. It stands after the caches and before the `fetchExchange`.
 *
 * An operation with an `Authorization` of its own goes as it is; so do subscriptions, see `subscriptionOptions`. When it
 * cannot be known who is signed in, or that is somebody else by now (`SESSION_CHANGED`), the `networkError` of the result
 * is the `CountersignError`.
 */
export function countersignExchange(session: Session): Exchange {
  return ({ forward }) =>
    (operations) => {
      const sends = makeSubject<Operation>();
      const answers = makeSubject<OperationResult>();

      /** Goes on with what is waited for, unless the operation is torn down before. */
      function settle(operation: Operation, waiting: Promise<Operation | OperationResult>): void {
        const isEnd = ({ kind, key }: Operation) => kind === "teardown" && key === operation.key;
        pipe(
          fromPromise(waiting.catch((error: Error) => makeErrorResult(operation, error))),
          takeUntil(pipe(operations, filter(isEnd))),
          subscribe((next) => ("kind" in next ? sends.next(next) : answers.next(next))),
        );
      }

      const others = pipe(
        operations,
        filter((operation) => {
          if (passes(operation)) return true;
          settle(
            operation,
            begin(session).then((sent) => withToken(operation, sent, true)),
          );
          return false;
        }),
      );
      const results = pipe(
        forward(merge([others, sends.source])),
        filter((result) => {
          const trip = tripOf(result);
          if (!trip?.isFresh) return true;
          trip.isFresh = false;
          const { data, error } = result;
          const refusal = trip.token && refusalOf({ data, errors: error?.graphQLErrors ?? [] });
          if (!refusal) return true;
          const { operation } = trip;
          const again = renew(session, trip, refusal);
          settle(
            operation,
            again.then((sent) => (sent ? withToken(operation, sent, false) : result)),
          );
          return false;
        }),
      );
      return pipe(
        merge([results, answers.source]),
        // What is kept or repeated from here on is the operation as it came.
        map((result) => ({ ...result, operation: tripOf(result)?.operation ?? result.operation })),
      );
    };
}

function passes({ kind, context }: Operation): boolean {
  return (
    kind === "teardown" || kind === "subscription" || isAuthorised(fetchOptions(context).headers)
  );
}

function withToken(operation: Operation, sent: Sent, isFresh: boolean): Operation {
  const options = fetchOptions(operation.context);
  const headers = new Headers(options.headers);
  if (sent.token !== null) headers.set("authorization", `Bearer ${sent.token}`);
  return makeOperation(operation.kind, operation, {
    ...operation.context,
    fetchOptions: { ...options, headers },
    countersign: { ...sent, operation, isFresh } satisfies Trip,
  });
}

function fetchOptions({ fetchOptions: options = {} }: Operation["context"]): RequestInit {
  return typeof options === "function" ? options() : options;
}

function tripOf({ operation }: OperationResult): Trip | undefined {
  return operation.context.countersign;
}

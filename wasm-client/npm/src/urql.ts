import {
  type Exchange,
  makeErrorResult,
  makeOperation,
  type Operation,
  type OperationResult,
} from "@urql/core";
import { filter, fromPromise, makeSubject, merge, pipe, subscribe, takeUntil } from "wonka";
import { again, authorise, type Sent } from "./adapter.js";
import type { Session } from "./types.js";

/** What a sent operation carries in its context: how it came, and whether its next answer may have it sent again. */
interface Trip extends Sent {
  operation: Operation;
  isFirst: boolean;
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
      function settle(operation: Operation, waiting: Promise<Operation | OperationResult>): false {
        const isEnd = ({ kind, key }: Operation) => kind === "teardown" && key === operation.key;
        pipe(
          fromPromise(waiting.catch((error: Error) => makeErrorResult(operation, error))),
          takeUntil(pipe(operations, filter(isEnd))),
          subscribe((next) => ("kind" in next ? sends.next(next) : answers.next(next))),
        );
        return false;
      }

      const others = filter<Operation>(
        (operation) =>
          operation.kind === "teardown" ||
          operation.kind === "subscription" ||
          headersOf(operation).has("authorization") ||
          settle(
            operation,
            authorise(session).then((sent) => withToken({ ...sent, operation, isFirst: true })),
          ),
      );
      const results = filter<OperationResult>((result) => {
        const trip: Trip | undefined = result.operation.context.countersign;
        if (!trip) return true;
        const { operation, isFirst } = trip;
        // What is kept or repeated from here on is the operation as it came.
        result.operation = operation;
        trip.isFirst = false;
        const next =
          isFirst &&
          again(session, trip, { data: result.data, errors: result.error?.graphQLErrors });
        return (
          !next ||
          settle(
            operation,
            next.then((sent) =>
              sent ? withToken({ ...sent, operation, isFirst: false }) : result,
            ),
          )
        );
      });
      return merge([results(forward(merge([others(operations), sends.source]))), answers.source]);
    };
}

/** The trip's operation, with the trip and its token. */
function withToken(trip: Trip): Operation {
  const { operation, token } = trip;
  const headers = headersOf(operation);
  if (token) headers.set("authorization", `Bearer ${token}`);
  return makeOperation(operation.kind, operation, {
    fetchOptions: { ...optionsOf(operation), headers },
    countersign: trip,
  });
}

function headersOf(operation: Operation): Headers {
  return new Headers(optionsOf(operation).headers);
}

function optionsOf({ context: { fetchOptions = {} } }: Operation): RequestInit {
  return typeof fetchOptions === "function" ? fetchOptions() : fetchOptions;
}

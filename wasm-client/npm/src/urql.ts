import {
  type Exchange,
  makeErrorResult,
  makeOperation,
  type Operation,
  type OperationResult,
} from "@urql/core";
import { filter, fromPromise, makeSubject, pipe, subscribe, takeUntil } from "wonka";
import { again, authorise, type Sent } from "./adapter.js";
import type { Session } from "./types.js";

/** What a sent operation carries in its context: how it came, and the token that its next answer may refuse. */
interface Trip extends Sent {
  operation: Operation;
  token: string | null;
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
      /** What is to be sent, and what is answered. */
      const { source, next } = makeSubject<Operation | OperationResult>();

      /** Goes on with what is waited for, unless the operation is torn down before. */
      function settle(operation: Operation, waiting: Promise<Operation | OperationResult>): void {
        const isEnd = ({ kind, key }: Operation) => kind === "teardown" && key === operation.key;
        pipe(
          fromPromise(waiting.catch((error: Error) => makeErrorResult(operation, error))),
          takeUntil(pipe(operations, filter(isEnd))),
          subscribe(next),
        );
      }

      pipe(
        forward(pipe(source, filter(isOperation))),
        subscribe((result) => {
          const trip: Trip | undefined = result.operation.context.countersign;
          if (!trip) return next(result);
          const { operation } = trip;
          const answer = { data: result.data, errors: result.error?.graphQLErrors };
          const renewed = again(session, { ...trip }, answer);
          trip.token = null;
          // What is kept or repeated from here on is the operation as it came.
          result.operation = operation;
          if (!renewed) return next(result);
          settle(
            operation,
            renewed.then((sent) => (sent ? withToken(trip, sent.token) : result)),
          );
        }),
      );
      pipe(
        operations,
        subscribe((operation) => {
          if (
            operation.kind === "teardown" ||
            operation.kind === "subscription" ||
            headersOf(operation).has("authorization")
          )
            return next(operation);
          settle(
            operation,
            authorise(session).then((sent) => withToken({ ...sent, operation }, sent.token)),
          );
        }),
      );
      return pipe(
        source,
        filter((one): one is OperationResult => !isOperation(one)),
      );
    };
}

function isOperation(one: Operation | OperationResult): one is Operation {
  return "kind" in one;
}

/** The trip's operation, with the trip and a token. */
function withToken(trip: Trip, token: string | null): Operation {
  const { operation } = trip;
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

// Apollo Client and urql, each with the package's adapter, behind one face.

import { ApolloClient, ApolloLink, gql, HttpLink, InMemoryCache } from "@apollo/client";
import { CombinedGraphQLErrors } from "@apollo/client/errors";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import type { Session } from "@countersign/client";
import { authLink } from "@countersign/client/apollo";
import { countersignExchange } from "@countersign/client/urql";
import {
  type CombinedError,
  cacheExchange,
  createClient as createUrql,
  fetchExchange,
  subscriptionExchange,
} from "@urql/core";
import type { Client as SocketClient } from "graphql-ws";
import { filter, onEnd, pipe, subscribe } from "wonka";

/** What came of an operation. */
export interface Outcome {
  data: Record<string, unknown> | null | undefined;
  /** The reasons of the answer's errors. */
  reasons: unknown[];
  /** Why there is no answer. */
  failure: unknown;
}

/** One GraphQL client of a page. */
export interface Library {
  /** Runs a query or a mutation over the network. */
  run(query: string, headers?: Record<string, string>): Promise<Outcome>;
  /** Begins a query that nobody waits for; returns what cancels it. */
  begin(query: string): () => void;
  /** Subscribes; `over` is called when nothing more will come, with the error if it is one. */
  listen(query: string, heard: (data: unknown) => void, over: (error?: unknown) => void): void;
}

/** How a library reaches the server in the session's name. */
export interface Reach {
  session: Session;
  endpoint: string;
  fetch: typeof globalThis.fetch;
  sockets?: SocketClient;
}

function apollo({ session, endpoint, fetch, sockets }: Reach): Library {
  const http = ApolloLink.from([authLink(session), new HttpLink({ uri: endpoint, fetch })]);
  const link =
    sockets === undefined
      ? http
      : ApolloLink.split(
          ({ operationType }) => operationType === "subscription",
          new GraphQLWsLink(sockets),
          http,
        );
  const client = new ApolloClient({
    link,
    cache: new InMemoryCache(),
  });
  return {
    async run(text, headers = {}) {
      const how = { context: { headers }, errorPolicy: "all", fetchPolicy: "no-cache" } as const;
      const { data, error } = text.startsWith("mutation")
        ? await client.mutate({ mutation: gql(text), ...how })
        : await client.query({ query: gql(text), ...how });
      const isAnswer = CombinedGraphQLErrors.is(error);
      return {
        data: data as Outcome["data"],
        reasons: isAnswer ? error.errors.map(({ extensions }) => extensions?.reason) : [],
        failure: isAnswer ? undefined : error,
      };
    },
    begin(text) {
      const subscription = client.watchQuery({ query: gql(text) }).subscribe(() => {});
      return () => subscription.unsubscribe();
    },
    listen(text, heard, over) {
      client.subscribe({ query: gql(text) }).subscribe({
        next: ({ data, error }) => (error === undefined ? heard(data) : over(error)),
        complete: over,
      });
    },
  };
}

function urql({ session, endpoint, fetch, sockets }: Reach): Library {
  const subscriptions = subscriptionExchange({
    forwardSubscription: ({ query = "", variables }) => ({
      subscribe: (sink) => ({
        unsubscribe:
          sockets?.subscribe(
            { query, variables: { ...(variables as object) } },
            {
              ...sink,
              next: (result) => sink.next(result as Parameters<typeof sink.next>[0]),
            },
          ) ?? (() => {}),
      }),
    }),
  });
  const client = createUrql({
    url: endpoint,
    fetch,
    requestPolicy: "network-only",
    exchanges: [cacheExchange, countersignExchange(session), subscriptions, fetchExchange],
  });
  return {
    async run(text, headers = {}) {
      const context = { fetchOptions: { headers } };
      const { data, error } = text.startsWith("mutation")
        ? await client.mutation(text, {}, context)
        : await client.query(text, {}, context);
      return { data, ...reasonsOf(error) };
    },
    begin(text) {
      return client.query(text, {}).subscribe(() => {}).unsubscribe;
    },
    listen(text, heard, over) {
      pipe(
        client.subscription(text, {}),
        onEnd(() => over()),
        // When a stream ends, urql says the last result once more.
        filter(({ hasNext }) => hasNext),
        subscribe(({ data, error }) => (error === undefined ? heard(data) : over(error))),
      );
    },
  };
}

function reasonsOf(error: CombinedError | undefined): Pick<Outcome, "reasons" | "failure"> {
  const reasons = error?.graphQLErrors.map(({ extensions }) => extensions.reason) ?? [];
  return { reasons, failure: error?.networkError };
}

/** The libraries by name. */
export const libraries = { apollo, urql };

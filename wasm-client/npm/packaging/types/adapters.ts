// The types of the adapters, beside those of the libraries that they are for.

import { ApolloLink } from "@apollo/client";
import { createClient, type Session, type SessionState } from "@countersign/client";
import { authLink } from "@countersign/client/apollo";
import { subscriptionOptions } from "@countersign/client/graphql-ws";
import { useSession } from "@countersign/client/react";
import { countersignExchange } from "@countersign/client/urql";
import type { Exchange } from "@urql/core";
import { expectTypeOf } from "expect-type";
import type { ClientOptions } from "graphql-ws";

const { session } = createClient({ endpoint: "/graphql" });

expectTypeOf(authLink).toEqualTypeOf<(session: Session) => ApolloLink>();
ApolloLink.from([authLink(session)]);
expectTypeOf(countersignExchange).toEqualTypeOf<(session: Session) => Exchange>();
expectTypeOf(useSession).toEqualTypeOf<(session: Session) => SessionState>();
expectTypeOf({ url: "/graphql/ws", ...subscriptionOptions(session) }).toExtend<ClientOptions>();

// @ts-expect-error: a client, which is not its session
authLink(createClient({ endpoint: "/graphql" }));

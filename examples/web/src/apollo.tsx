import { ApolloClient, ApolloLink, gql, HttpLink, InMemoryCache } from "@apollo/client";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { ApolloProvider, useMutation, useQuery, useSubscription } from "@apollo/client/react";
import { createClient, type Session } from "@countersign/client";
import { authLink } from "@countersign/client/apollo";
import { subscriptionOptions } from "@countersign/client/graphql-ws";
import { createClient as createSockets } from "graphql-ws";
import { type ReactNode, StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";
import { Account } from "./account.tsx";
import { EVENTS, type Events, ME, type Me, Profile, RENAME, socketUrl } from "./profile.tsx";

function connect(session: Session): ApolloClient {
  const sockets = createSockets({ url: socketUrl(), ...subscriptionOptions(session) });
  return new ApolloClient({
    link: ApolloLink.split(
      ({ operationType }) => operationType === "subscription",
      new GraphQLWsLink(sockets),
      ApolloLink.from([authLink(session), new HttpLink({ uri: "/graphql" })]),
    ),
    cache: new InMemoryCache(),
  });
}

/** A client and a cache for who is signed in now. */
function Data({ session, children }: { session: Session; children: ReactNode }) {
  const [apollo] = useState(() => connect(session));
  return <ApolloProvider client={apollo}>{children}</ApolloProvider>;
}

function MyProfile() {
  const me = useQuery<Me>(gql(ME));
  const events = useSubscription<Events>(gql(EVENTS));
  const [rename, renamed] = useMutation(gql(RENAME), { errorPolicy: "all" });
  return (
    <Profile
      me={me.data}
      events={events.data}
      problem={me.error ?? renamed.error}
      rename={(name) => rename({ variables: { name } })}
    />
  );
}

const client = createClient({ endpoint: "/graphql" });
client.session.start();

createRoot(document.getElementById("root") as HTMLElement).render(
  <StrictMode>
    <Account client={client}>
      <Data session={client.session}>
        <MyProfile />
      </Data>
    </Account>
  </StrictMode>,
);

import { createClient, type Session } from "@countersign/client";
import { subscriptionOptions } from "@countersign/client/graphql-ws";
import { countersignExchange } from "@countersign/client/urql";
import { createClient as createSockets } from "graphql-ws";
import { type ReactNode, StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";
import {
  Client,
  cacheExchange,
  fetchExchange,
  Provider,
  subscriptionExchange,
  useMutation,
  useQuery,
  useSubscription,
} from "urql";
import { Account } from "./account.tsx";
import { EVENTS, type Events, ME, type Me, Profile, RENAME, socketUrl } from "./profile.tsx";

function connect(session: Session): Client {
  const sockets = createSockets({ url: socketUrl(), ...subscriptionOptions(session) });
  return new Client({
    url: "/graphql",
    exchanges: [
      cacheExchange,
      countersignExchange(session),
      subscriptionExchange({
        forwardSubscription: ({ query = "", variables }) => ({
          subscribe: (sink) => ({
            unsubscribe: sockets.subscribe(
              { query, variables: variables as Record<string, unknown> },
              sink,
            ),
          }),
        }),
      }),
      fetchExchange,
    ],
  });
}

/** A client and a cache for who is signed in now. */
function Data({ session, children }: { session: Session; children: ReactNode }) {
  const [urql] = useState(() => connect(session));
  return <Provider value={urql}>{children}</Provider>;
}

function MyProfile() {
  const [me] = useQuery<Me>({ query: ME });
  const [events] = useSubscription<Events>({ query: EVENTS });
  const [renamed, rename] = useMutation(RENAME);
  return (
    <Profile
      me={me.data}
      events={events.data}
      problem={me.error ?? renamed.error}
      rename={(name) => rename({ name })}
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

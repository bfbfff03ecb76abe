import type { Client } from "@countersign/client";
import { Account } from "../account.tsx";

/** The page, on the server and in the browser. Who is signed in, only the browser can find out. */
export function App({ client }: { client: Client }) {
  return (
    <>
      <h1>Rendered on a server</h1>
      <Account client={client} />
    </>
  );
}

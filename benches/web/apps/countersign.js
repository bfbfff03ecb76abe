import { createClient } from "@countersign/client";

const client = createClient({ endpoint: "https://auth.example.com/graphql" });
client.session.start();

globalThis.app = {
  signIn: (email, password) => client.login({ email, password }),
  token: () => client.session.token(),
  signOut: () => client.logout(),
};

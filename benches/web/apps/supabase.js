import { AuthClient } from "@supabase/auth-js";

const client = new AuthClient({ url: "https://auth.example.com/auth/v1" });

globalThis.app = {
  signIn: (email, password) => client.signInWithPassword({ email, password }),
  token: async () => (await client.getSession()).data.session?.access_token ?? null,
  signOut: () => client.signOut(),
};

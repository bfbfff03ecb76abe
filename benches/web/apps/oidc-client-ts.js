import { UserManager } from "oidc-client-ts";

const manager = new UserManager({
  authority: "https://auth.example.com",
  client_id: "app",
  redirect_uri: `${location.origin}/callback`,
  automaticSilentRenew: true,
});

globalThis.app = {
  signIn: () => manager.signinRedirect(),
  callback: () => manager.signinCallback(),
  token: async () => (await manager.getUser())?.access_token ?? null,
  signOut: () => manager.signoutRedirect(),
};

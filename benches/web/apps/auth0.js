import { Auth0Client } from "@auth0/auth0-spa-js";

const client = new Auth0Client({
  domain: "auth.example.com",
  clientId: "app",
  useRefreshTokens: true,
  authorizationParams: { redirect_uri: `${location.origin}/callback` },
});

globalThis.app = {
  signIn: () => client.loginWithRedirect(),
  callback: () => client.handleRedirectCallback(),
  token: () => client.getTokenSilently(),
  signOut: () => client.logout(),
};

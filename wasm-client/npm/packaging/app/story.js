import { createClient } from "@countersign/client";
import { loadTokens, remoteKeySet } from "@countersign/client/token";

/** What an app does with the package: signs somebody up and in, asks for something, and verifies the token. */
export async function story(origin, transport) {
  const client = createClient({ endpoint: `${origin}/graphql`, transport });
  client.session.start();
  const email = `${crypto.randomUUID()}@example.com`;
  const password = "seven unrelated lanterns drift";
  await client.register({ email, password, name: "Ana" });
  await client.logout();
  const user = await client.login({ email, password });
  const { me } = await client.request("{ me { email } }");
  const tokens = await loadTokens();
  const keys = remoteKeySet(`${origin}/.well-known/jwks.json`);
  const rules = { issuer: origin, audience: origin };
  const claims = await tokens.verify(await client.session.token(), keys, rules);
  await client.logout();
  const { status } = client.session.state;
  return { isMe: me.email === email, isVerified: claims.sub === user.id, status };
}

// The package's types as its users see them; `types.test.ts` compiles this under each setting that they may have.

import {
  type Client,
  type ClientOptions,
  CountersignError,
  createClient,
  type ErrorCode,
  type Session,
  type SessionState,
  type SessionStatus,
  type User,
} from "@countersign/client";
import {
  type Claims,
  loadTokens,
  remoteKeySet,
  type TokenVerifier,
} from "@countersign/client/token";
import { expectTypeOf } from "expect-type";
import "@countersign/client/inline";

const client = createClient({ endpoint: "/graphql" });
expectTypeOf(client).toEqualTypeOf<Client>();
expectTypeOf(client.session).toEqualTypeOf<Session>();
expectTypeOf(client.session.token).returns.resolves.toEqualTypeOf<string | null>();
expectTypeOf(client.login).returns.resolves.toEqualTypeOf<User>();
expectTypeOf(client.request<{ me: User }>("{ me { id } }")).resolves.toEqualTypeOf<{ me: User }>();
expectTypeOf(client.fetch).toExtend<typeof fetch>();
expectTypeOf<ClientOptions["transport"]>().toEqualTypeOf<"COOKIE" | "BODY" | undefined>();

client.session.on((state) => {
  expectTypeOf(state).toEqualTypeOf<SessionState>();
  expectTypeOf(state.user?.role).toEqualTypeOf<User["role"] | undefined>();
});
expectTypeOf<"signed-out">().toExtend<SessionStatus>();
expectTypeOf<"expired">().not.toExtend<SessionStatus>();

/** Servers may add roles and codes, and editors still propose those that are known. */
expectTypeOf<"AUDITOR">().toExtend<User["role"]>();
expectTypeOf<"TEAPOT">().toExtend<ErrorCode>();

const tokens = await loadTokens();
expectTypeOf(tokens).toEqualTypeOf<TokenVerifier>();
const keys = remoteKeySet(new URL("https://auth.example.com/.well-known/jwks.json"));
const rules = { issuer: "https://auth.example.com", audience: "https://auth.example.com" };
expectTypeOf(tokens.verify("", keys, rules)).resolves.toEqualTypeOf<Claims>();
expectTypeOf(tokens.decode("").claims.exp).toEqualTypeOf<number>();

export function advice(error: unknown): string {
  if (!(error instanceof CountersignError)) return "unknown";
  expectTypeOf(error.retriable).toEqualTypeOf<boolean>();
  return error.code;
}

// @ts-expect-error: a client without an endpoint
createClient({});
// @ts-expect-error: a transport that there is not
createClient({ endpoint: "/graphql", transport: "HEADER" });
// @ts-expect-error: a snapshot is not to be changed
client.session.state.status = "live";
// @ts-expect-error: a sign-in without a password
void client.login({ email: "ana@example.com" });
// @ts-expect-error: rules without an audience
void tokens.verify("", keys, { issuer: "https://auth.example.com" });

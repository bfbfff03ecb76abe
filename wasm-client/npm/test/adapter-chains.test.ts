// The adapters among other links and exchanges, which repeat operations or answer in parts.

import { ApolloClient, ApolloLink, gql, HttpLink, InMemoryCache } from "@apollo/client";
import { RetryLink } from "@apollo/client/link/retry";
import { type Client, createClient } from "@countersign/client";
import { authLink } from "@countersign/client/apollo";
import { countersignExchange } from "@countersign/client/urql";
import {
  CombinedError,
  cacheExchange,
  createClient as createUrql,
  type Exchange,
  fetchExchange,
} from "@urql/core";
import { from, lastValueFrom, toArray } from "rxjs";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { fromArray, mergeMap } from "wonka";
import { RealServer } from "./support/real-server.js";
import { until } from "./support/wait.js";

const person = { password: "seven unrelated lanterns drift", name: "Ana" };
const refusal = {
  message: "The access token has expired.",
  extensions: { code: "UNAUTHENTICATED", reason: "TOKEN_EXPIRED" },
};

let server: RealServer;
let people = 0;
let client: Client;
/** The tokens that were sent. */
let tokens: (string | null)[];

const watched: typeof fetch = (input, init) => {
  tokens.push(new Headers(init?.headers).get("authorization"));
  return fetch(input, init);
};

beforeAll(async () => {
  server = await RealServer.start();
}, 60_000);

beforeEach(async () => {
  tokens = [];
  people += 1;
  client = createClient({ endpoint: server.endpoint, transport: "BODY" });
  await client.register({ email: `ana${people}@example.com`, ...person });
});

afterEach(() => client.session.dispose());

afterAll(() => server?.stop());

test("Apollo: what a link before ours repeats has the token of then", async () => {
  const { session } = client;
  const first = await session.token();
  let losses = 1;
  const fetchLater: typeof fetch = async (input, init) => {
    const answer = await watched(input, init);
    losses -= 1;
    if (losses < 0) return answer;
    await session.token({ force: true });
    throw new TypeError("the connection broke");
  };
  const apollo = new ApolloClient({
    link: ApolloLink.from([
      new RetryLink({ delay: { initial: 1 } }),
      authLink(session),
      new HttpLink({ uri: server.endpoint, fetch: fetchLater }),
    ]),
    cache: new InMemoryCache(),
  });
  await apollo.query({ query: gql("{ me { email } }") });
  expect(tokens).toEqual([`Bearer ${first}`, `Bearer ${await session.token()}`]);
  expect(tokens[0]).not.toBe(tokens[1]);
});

test("urql: what the cache asks for again has the token of then", async () => {
  const { session } = client;
  const first = await session.token();
  const urql = createUrql({
    url: server.endpoint,
    fetch: watched,
    exchanges: [cacheExchange, countersignExchange(session), fetchExchange],
  });
  const names: string[] = [];
  const { unsubscribe } = urql
    .query("{ me { id name } }", {})
    .subscribe(({ data, stale }) => void (stale || names.push(data?.me.name)));
  await until("the name is there", () => names.length === 1);
  const second = await session.token({ force: true });
  await urql.mutation('mutation { updateProfile(input: { name: "Zoe" }) { id name } }', {});
  await until("the name is asked for again", () => names.length === 2);
  unsubscribe();
  expect(names).toEqual(["Ana", "Zoe"]);
  expect(tokens).toEqual([first, second, second].map((token) => `Bearer ${token}`));
});

/** The results of a query through our link and one that answers with `parts`, and how often that was asked. */
async function ask(parts: ApolloLink.Result[]) {
  let sent = 0;
  const end = new ApolloLink(() => {
    sent += 1;
    return from(parts);
  });
  const apollo = new ApolloClient({ link: end, cache: new InMemoryCache() });
  const link = ApolloLink.from([authLink(client.session), end]);
  const query = gql("{ me { email } }");
  const results = ApolloLink.execute(link, { query }, { client: apollo });
  return { results: await lastValueFrom(results.pipe(toArray())), sent: () => sent };
}

test("Apollo: only the first of several results can have an operation sent again", async () => {
  const parts = [{ data: { me: { email: "ana@example.com" } } }, { data: null, errors: [refusal] }];
  const { results, sent } = await ask(parts);
  expect(results).toEqual(parts);
  expect(sent()).toBe(1);
});

test("Apollo: a session that is said to have ended, and has not, repeats nothing", async () => {
  const extensions = { ...refusal.extensions, reason: "SESSION_ENDED" };
  const parts = [{ data: null, errors: [{ message: "The session was ended.", extensions }] }];
  const { results, sent } = await ask(parts);
  expect(results).toEqual(parts);
  expect(sent()).toBe(1);
  expect(client.session.state).toMatchObject({ status: "live", renewals: 1 });
});

test("urql: only the first of several results can have an operation sent again", async () => {
  let sent = 0;
  const parts: Exchange = () =>
    mergeMap((operation) => {
      if (operation.kind === "teardown") return fromArray([]);
      sent += 1;
      const error = new CombinedError({ graphQLErrors: [refusal] });
      const part = { operation, stale: false };
      return fromArray([
        { ...part, data: { me: { email: "ana@example.com" } }, hasNext: true },
        { ...part, data: null, error, hasNext: false },
      ]);
    });
  const urql = createUrql({
    url: server.endpoint,
    exchanges: [countersignExchange(client.session), parts],
  });
  const results: unknown[] = [];
  urql.query("{ me { email } }", {}).subscribe((result) => void results.push(result));
  await until("both are there", () => results.length === 2);
  expect(sent).toBe(1);
});

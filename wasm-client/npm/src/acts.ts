import { type AuthPayload, checkGrant } from "./auth.js";
import { CountersignError, isRenewable, sessionChanged } from "./error.js";
import { type Exchange, GRANT } from "./exchange.js";
import { read } from "./graphql.js";
import type { Call } from "./post.js";
import type { Core } from "./session.js";
import type { Client, User } from "./types.js";

/** What checks a password may have to wait for the server to hash others before it. */
const PASSWORD_LIMIT_MS = 30_000;

const signInBy = (name: "Login" | "Register") =>
  `mutation ${name}($input: ${name}Input!, $transport: TokenTransport!) { auth: ${name.toLowerCase()}(input: $input, transport: $transport)`;

const CHANGE_PASSWORD =
  "mutation ChangePassword($input: ChangePasswordInput!, $attempt: String) { auth: changePassword(input: $input, attempt: $attempt)";
const REAUTHENTICATE =
  "mutation Reauthenticate($password: String!, $attempt: String) { auth: reauthenticate(password: $password, attempt: $attempt)";
const LOGOUT_EVERYWHERE = "mutation LogoutEverywhere { auth: logoutEverywhere }";
const DELETE_ACCOUNT =
  "mutation DeleteAccount($password: String!) { auth: deleteAccount(password: $password) }";

const RECOVER =
  "mutation Recover($input: RecoverAccountInput!) { auth: recoverAccount(input: $input) }";

/** What changes the session itself, and what nobody needs one for. */
export type Acts = Pick<
  Client,
  | "login"
  | "register"
  | "changePassword"
  | "reauthenticate"
  | "logoutEverywhere"
  | "deleteAccount"
  | "recover"
>;

/** The acts on `session`. They hold its lock, as everything does that sets or clears the refresh token. */
export function actsOf(session: Core, exchange: Exchange): Acts {
  /** Sends a mutation whose one field has the alias `auth`, and returns that. */
  const send = async <T>(call: Call) =>
    read<{ auth: T }>(await exchange.send({ limitMs: PASSWORD_LIMIT_MS, ...call })).auth;

  /** Sends a mutation, up to its selection, that answers with a grant. */
  const obtain = async (query: string, variables: object, token?: string) =>
    checkGrant(await send({ query: query + GRANT, variables, token }));

  const transport = exchange.isCookie ? "COOKIE" : "BODY";
  const signIn = (name: "Login" | "Register", input: object) =>
    session.obtain(() => obtain(signInBy(name), { input: { ...input }, transport }), true);

  /** Acts with the session's token; once more with a new one where that did not do. */
  async function authorised<T>(act: (grant: AuthPayload | null) => Promise<T>): Promise<T> {
    const grant = await session.grant();
    try {
      return await act(grant);
    } catch (error) {
      if (grant === null || !isRefusal(error)) throw error;
      const renewed = await session.successor(grant);
      if (renewed?.sessionId !== grant.sessionId) throw error;
      return act(renewed);
    }
  }

  /** Once another session has begun, what was asked for by this one's owner must not be done. */
  function check(grant: AuthPayload | null): void {
    if ((grant?.sessionId ?? null) !== session.state.sessionId) throw sessionChanged();
  }

  /** Gives the session the new grant that `query` answers with. */
  function renew(query: string, variables: object): Promise<User> {
    return authorised((grant) =>
      session.obtain(async () => {
        check(grant);
        const attempt = await session.attempt();
        return obtain(query, { ...variables, attempt }, grant?.accessToken);
      }),
    );
  }

  /** Ends the session by `query`. */
  function end<T>(reason: string, query: string, variables = {}): Promise<T> {
    return authorised((grant) =>
      session.lock(async () => {
        check(grant);
        const answer = await send<T>({ query, variables, token: grant?.accessToken });
        session.ended(grant?.sessionId ?? null, reason);
        return answer;
      }),
    );
  }

  return {
    login: (input) => signIn("Login", input),
    register: (input) => signIn("Register", input),
    changePassword: (input) => renew(CHANGE_PASSWORD, { input: { ...input } }),
    reauthenticate: (password) => renew(REAUTHENTICATE, { password }),
    logoutEverywhere: () => end("LOGGED_OUT_EVERYWHERE", LOGOUT_EVERYWHERE),
    async deleteAccount(password) {
      await end("ACCOUNT_DELETED", DELETE_ACCOUNT, { password });
    },
    async recover(input) {
      await send({ query: RECOVER, variables: { input: { ...input } } });
    },
  };
}

/** Whether the token did not do, or its session has ended, which a renewal then finds out. */
function isRefusal(error: unknown): boolean {
  if (!(error instanceof CountersignError)) return false;
  return isRenewable(error.reason) || error.reason === "SESSION_ENDED";
}

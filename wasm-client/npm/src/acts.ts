import type { AuthApi, AuthPayload } from "./auth.js";
import { CountersignError, isRenewable, sessionChanged } from "./error.js";
import type { PlannedSession } from "./session.js";
import type { Client, User } from "./types.js";

const CHANGE_PASSWORD =
  "mutation ChangePassword($input: ChangePasswordInput!) { auth: changePassword(input: $input)";
const REAUTHENTICATE =
  "mutation Reauthenticate($password: String!) { auth: reauthenticate(password: $password)";
const LOGOUT_EVERYWHERE = "mutation LogoutEverywhere { auth: logoutEverywhere }";
const DELETE_ACCOUNT =
  "mutation DeleteAccount($password: String!) { auth: deleteAccount(password: $password) }";

const RECOVER =
  "mutation Recover($input: RecoverAccountInput!) { auth: recoverAccount(input: $input) }";

/** What somebody who is signed in does to the session itself, and what nobody needs one for. */
export type Acts = Pick<
  Client,
  "changePassword" | "reauthenticate" | "logoutEverywhere" | "deleteAccount" | "recover"
>;

/** The acts on `session` by `api`. They hold its lock, as everything does that sets or clears the refresh token. */
export function actsOf(session: PlannedSession, api: AuthApi): Acts {
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
  function renew(query: string, variables: Record<string, unknown>): Promise<User> {
    return authorised((grant) =>
      session.obtain(
        async () => {
          check(grant);
          return api.grant({ query, variables, token: grant?.accessToken });
        },
        // Else this one was signed out meanwhile, with a refresh token that is now worthless.
        ({ sessionId }) => sessionId === session.state.sessionId,
      ),
    );
  }

  /** Ends the session by `query`. */
  function end<T>(reason: string, query: string, variables = {}): Promise<T> {
    return authorised((grant) =>
      session.lock(async () => {
        check(grant);
        const answer = await api.send<T>({ query, variables, token: grant?.accessToken });
        session.finish(reason);
        return answer;
      }),
    );
  }

  return {
    changePassword: (input) => renew(CHANGE_PASSWORD, { input: { ...input } }),
    reauthenticate: (password) => renew(REAUTHENTICATE, { password }),
    logoutEverywhere: () => end("LOGGED_OUT_EVERYWHERE", LOGOUT_EVERYWHERE),
    async deleteAccount(password) {
      await end("ACCOUNT_DELETED", DELETE_ACCOUNT, { password });
    },
    async recover(input) {
      await api.send({ query: RECOVER, variables: { input: { ...input } } });
    },
  };
}

/** Whether the token did not do, or its session has ended, which a renewal then finds out. */
function isRefusal(error: unknown): boolean {
  if (!(error instanceof CountersignError)) return false;
  return isRenewable(error.reason) || error.reason === "SESSION_ENDED";
}

import type { AuthApi, AuthPayload } from "./auth.js";
import { CountersignError, isRenewable, sessionChanged } from "./error.js";
import type { PlannedSession } from "./session.js";
import type { User } from "./types.js";

/** The acts that give the session a new grant. */
const RENEWALS = {
  changePassword: `mutation ChangePassword($input: ChangePasswordInput!) { auth: changePassword(input: $input)`,
  reauthenticate: `mutation Reauthenticate($password: String!) { auth: reauthenticate(password: $password)`,
};
/** The acts that end the session, with the reason that they give. */
const ENDINGS = {
  logoutEverywhere: [
    "mutation LogoutEverywhere { auth: logoutEverywhere }",
    "LOGGED_OUT_EVERYWHERE",
  ],
  deleteAccount: [
    "mutation DeleteAccount($password: String!) { auth: deleteAccount(password: $password) }",
    "ACCOUNT_DELETED",
  ],
} as const;

type Variables = Record<string, unknown>;

/** What somebody who is signed in does to the session itself. */
export interface Acts {
  /** Does what gives the session a new grant. */
  renew(name: keyof typeof RENEWALS, variables: Variables): Promise<User>;
  /** Does what ends the session, and returns the answer. */
  end<T>(name: keyof typeof ENDINGS, variables?: Variables): Promise<T>;
}

/** The acts on `session` by `api`. */
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

  /** Once another session has begun, what was asked for as this one's owner must not be done. */
  function check(grant: AuthPayload | null): void {
    if ((grant?.sessionId ?? null) !== session.state.sessionId) throw sessionChanged();
  }

  return {
    renew: (name, variables) =>
      authorised((grant) =>
        session.obtain(
          async () => {
            check(grant);
            return api.grant({ query: RENEWALS[name], variables, token: grant?.accessToken });
          },
          // Else this one was signed out meanwhile, with a refresh token that is now worthless.
          ({ sessionId }) => sessionId === session.state.sessionId,
        ),
      ),
    end: (name, variables = {}) =>
      authorised((grant) =>
        session.lock(async () => {
          check(grant);
          const [query, reason] = ENDINGS[name];
          const answer = await api.send({ query, variables, token: grant?.accessToken });
          session.finish(reason);
          return answer as never;
        }),
      ),
  };
}

/** Whether the token did not do, or its session has ended, which a renewal then finds out. */
function isRefusal(error: unknown): boolean {
  if (!(error instanceof CountersignError)) return false;
  return isRenewable(error.reason) || error.reason === "SESSION_ENDED";
}

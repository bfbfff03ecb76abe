import { CountersignError } from "./error.js";
import type { Fetch } from "./fetch-json.js";
import { execute } from "./graphql.js";
import type { User } from "./types.js";

/** The answer of every mutation that signs a user in or keeps one signed in. */
export interface AuthPayload {
  user: User;
  accessToken: string;
  /** Seconds. */
  expiresIn: number;
  sessionId: string;
  /** Null with the transport COOKIE. */
  refreshToken: string | null;
}

/** The mutations of a session. */
export interface AuthApi {
  signIn(field: "login" | "register", input: Record<string, string>): Promise<AuthPayload>;
  refresh(refreshToken: string | null, attempt: string): Promise<AuthPayload>;
  logout(refreshToken: string | null): Promise<void>;
}

/** A refresh that takes longer is given up and repeated with the same attempt key. */
const CALL_LIMIT_MS = 10_000;
/** A sign-in may have to wait for the server to hash passwords before it. */
const SIGN_IN_LIMIT_MS = 30_000;

const PAYLOAD =
  "{ user { id email name role createdAt disabled emailVerified } accessToken expiresIn sessionId refreshToken }";
const SIGN_IN = {
  login: `mutation Login($input: LoginInput!, $transport: TokenTransport!) { auth: login(input: $input, transport: $transport) ${PAYLOAD} }`,
  register: `mutation Register($input: RegisterInput!, $transport: TokenTransport!) { auth: register(input: $input, transport: $transport) ${PAYLOAD} }`,
};
const REFRESH = `mutation Refresh($refreshToken: String, $attempt: String) { auth: refresh(refreshToken: $refreshToken, attempt: $attempt) ${PAYLOAD} }`;
const LOGOUT =
  "mutation Logout($refreshToken: String) { auth: logout(refreshToken: $refreshToken) }";

/** The mutations of the server at `url`; none of them carries an access token. */
export function authApi(fetch: Fetch, url: () => URL, transport: "COOKIE" | "BODY"): AuthApi {
  const credentials = transport === "COOKIE" ? "include" : "omit";

  async function send<T>(
    query: string,
    variables: Record<string, unknown>,
    limitMs: number,
  ): Promise<T> {
    const { auth } = await execute<{ auth: T }>({
      fetch,
      url: url(),
      query,
      variables,
      credentials,
      limitMs,
    });
    return auth;
  }

  async function grant(query: string, variables: Record<string, unknown>, limitMs: number) {
    const payload = await send<AuthPayload>(query, variables, limitMs);
    if (typeof payload?.accessToken === "string" && payload.expiresIn > 0) return payload;
    throw new CountersignError("NETWORK", "the server's answer holds no token");
  }

  return {
    signIn: (field, input) => grant(SIGN_IN[field], { input, transport }, SIGN_IN_LIMIT_MS),
    refresh: (refreshToken, attempt) => grant(REFRESH, { refreshToken, attempt }, CALL_LIMIT_MS),
    logout: (refreshToken) => send(LOGOUT, { refreshToken }, CALL_LIMIT_MS),
  };
}

/** True when the server itself said that the session cannot go on. A proxy, a timeout or a fault never says so. */
export function endsSession({ code, reason }: CountersignError): boolean {
  return code === "UNAUTHENTICATED" || (code === "FORBIDDEN" && reason === "ACCOUNT_DISABLED");
}

import { CountersignError } from "./error.js";
import type { Fetch } from "./fetch-json.js";
import { type Call, execute } from "./graphql.js";
import type { User } from "./types.js";

/** The answer of every mutation that signs a user in or keeps one signed in. */
export interface AuthPayload {
  user: User;
  accessToken: string;
  /** Seconds. */
  expiresIn: number;
  /** The server's clock, in whole seconds, when it signed the token. RFC 3339, UTC. */
  issuedAt: string;
  sessionId: string;
  /** Null with the transport COOKIE. */
  refreshToken: string | null;
}

/** An operation whose one field has the alias `auth`. */
export type AuthCall = Pick<Call, "query" | "variables" | "token" | "limitMs">;

/** The mutations of a session. */
export interface AuthApi {
  send<T>(call: AuthCall): Promise<T>;
  /** As `send`, for a mutation that answers with a grant; `query` ends before the selection of that. */
  grant(call: AuthCall): Promise<AuthPayload>;
  signIn(name: "Login" | "Register", input: Record<string, string>): Promise<AuthPayload>;
  refresh(refreshToken: string | null, attempt: string): Promise<AuthPayload>;
  logout(refreshToken: string | null): Promise<void>;
}

/** A refresh that takes longer is given up and repeated with the same attempt key. */
const CALL_LIMIT_MS = 10_000;
/** What checks a password may have to wait for the server to hash others before it. */
const PASSWORD_LIMIT_MS = 30_000;

const PAYLOAD =
  " { user { id email name role createdAt disabled emailVerified } accessToken expiresIn issuedAt sessionId refreshToken } }";
const signInBy = (name: "Login" | "Register") =>
  `mutation ${name}($input: ${name}Input!, $transport: TokenTransport!) { auth: ${name.toLowerCase()}(input: $input, transport: $transport)`;
const REFRESH = `mutation Refresh($refreshToken: String, $attempt: String) { auth: refresh(refreshToken: $refreshToken, attempt: $attempt)`;
const LOGOUT =
  "mutation Logout($refreshToken: String) { auth: logout(refreshToken: $refreshToken) }";

/** The mutations of the server at `url`; those of its own carry no access token. */
export function authApi(fetch: Fetch, url: () => URL, transport: "COOKIE" | "BODY"): AuthApi {
  const credentials = transport === "COOKIE" ? "include" : "omit";

  async function send<T>(call: AuthCall): Promise<T> {
    const how = { limitMs: PASSWORD_LIMIT_MS, ...call, fetch, url: url(), credentials } as const;
    return (await execute<{ auth: T }>(how)).auth;
  }

  async function grant(call: AuthCall): Promise<AuthPayload> {
    const payload = await send<AuthPayload>({ ...call, query: call.query + PAYLOAD });
    if (typeof payload?.accessToken === "string" && payload.expiresIn > 0) return payload;
    throw new CountersignError("NETWORK", "the server's answer holds no token");
  }

  return {
    send,
    grant,
    signIn: (name, input) => grant({ query: signInBy(name), variables: { input, transport } }),
    refresh: (refreshToken, attempt) =>
      grant({ query: REFRESH, variables: { refreshToken, attempt }, limitMs: CALL_LIMIT_MS }),
    logout: (refreshToken) =>
      send({ query: LOGOUT, variables: { refreshToken }, limitMs: CALL_LIMIT_MS }),
  };
}

/** True when the server itself said that the session cannot go on. A proxy, a timeout or a fault never says so. */
export function endsSession({ code, reason }: CountersignError): boolean {
  return code === "UNAUTHENTICATED" || (code === "FORBIDDEN" && reason === "ACCOUNT_DISABLED");
}

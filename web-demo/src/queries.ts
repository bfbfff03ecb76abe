import type { User } from "@countersign/client";

const USER = "fragment account on User { id email name role createdAt disabled emailVerified }";

/** The signed-in user, read from the database. */
export const ME = `query Me { me { ...account } } ${USER}`;
export interface MeData {
  me: User;
}

/** What a registration form has to know. */
export const PASSWORD_POLICY = "query PasswordPolicy { passwordPolicy { minLength maxLength } }";
export interface PasswordPolicyData {
  passwordPolicy: { minLength: number; maxLength: number };
}

/** How hard a password is to guess, and whether it would be accepted. */
export const PASSWORD_STRENGTH = `query PasswordStrength($password: String!, $email: String, $name: String) {
  passwordStrength(password: $password, email: $email, name: $name) {
    score accepted warning suggestions
  }
}`;
export interface Strength {
  /** 0 to 4. */
  score: number;
  accepted: boolean;
  warning: string | null;
  suggestions: string[];
}
export interface PasswordStrengthData {
  passwordStrength: Strength;
}

/** One page of accounts; needs MANAGER. */
export const USERS = `query Users($first: Int!, $after: String, $search: String, $role: Role) {
  users(first: $first, after: $after, search: $search, role: $role) {
    edges { cursor node { ...account } }
    pageInfo { hasNextPage endCursor }
  }
} ${USER}`;
export interface UsersData {
  users: {
    edges: { cursor: string; node: User }[];
    pageInfo: { hasNextPage: boolean; endCursor: string | null };
  };
}

/** A new name or address for the signed-in user. */
export const UPDATE_PROFILE = `mutation UpdateProfile($input: UpdateProfileInput!) {
  updateProfile(input: $input) { ...account }
} ${USER}`;
export interface UpdateProfileData {
  updateProfile: User;
}

/** One account; needs MANAGER. */
export const PERSON = `query Person($id: ID!) { user(id: $id) { ...account } } ${USER}`;
export interface PersonData {
  user: User | null;
}

/** The signed-in user's devices. */
export const SESSIONS = `query Sessions {
  sessions { id deviceName ipAddress createdAt lastUsedAt expiresAt current }
}`;
export interface Device {
  id: string;
  deviceName: string;
  ipAddress: string | null;
  createdAt: string;
  lastUsedAt: string;
  expiresAt: string;
  current: boolean;
}
export interface SessionsData {
  sessions: Device[];
}

/** Ends one of the signed-in user's sessions. */
export const REVOKE_SESSION = "mutation RevokeSession($id: ID!) { revokeSession(id: $id) }";

/** Acts of an administrator; each needs a sign-in that is fresh. */
export const SET_ROLE = `mutation SetRole($userId: ID!, $role: Role!) {
  setRole(userId: $userId, role: $role) { id }
}`;
export const SET_DISABLED = `mutation SetDisabled($userId: ID!, $disabled: Boolean!) {
  setDisabled(userId: $userId, disabled: $disabled) { id }
}`;
export const DELETE_USER = "mutation DeleteUser($userId: ID!) { deleteUser(userId: $userId) }";
export const END_SESSIONS = "mutation EndSessions($userId: ID!) { endSessions(userId: $userId) }";
export interface EndSessionsData {
  endSessions: number;
}

/** One page of the audit trail: one's own, or anybody's for an ADMIN. */
export const AUTH_EVENTS = `query AuthEvents($first: Int!, $after: String, $userId: ID, $kind: AuthEventKind) {
  authEvents(first: $first, after: $after, userId: $userId, kind: $kind) {
    edges {
      node {
        id kind at userId actorId sessionId ipAddress userAgent
        user { id name email }
        actor { id name email }
      }
    }
    pageInfo { hasNextPage endCursor }
  }
}`;
type Named = Pick<User, "id" | "name" | "email">;
export interface AuthEvent {
  id: string;
  kind: string;
  at: string;
  /** Stays when the account is deleted; null for an address that has no account. */
  userId: string | null;
  user: Named | null;
  /** Who did it, where that is somebody else. */
  actorId: string | null;
  actor: Named | null;
  sessionId: string | null;
  ipAddress: string | null;
  userAgent: string | null;
}
export interface AuthEventsData {
  authEvents: {
    edges: { node: AuthEvent }[];
    pageInfo: { hasNextPage: boolean; endCursor: string | null };
  };
}

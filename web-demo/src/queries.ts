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

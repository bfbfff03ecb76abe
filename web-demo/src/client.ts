import { type Client, createClient, type Role, type SessionState } from "@countersign/client";
import { useSession as useStateOf } from "@countersign/client/react";
import { watchedFetch } from "./tabs/calls.ts";

/** The one client of this page: it holds the session and renews it. */
export const client: Client = createClient({ endpoint: "/graphql", fetch: watchedFetch });

/** The session's state; the component renders again whenever it changes. */
export function useSession(): SessionState {
  return useStateOf(client.session);
}

/** True while somebody is signed in, also while the server cannot be reached. */
export function isSignedIn(state: SessionState): boolean {
  return state.user !== null;
}

/** True until it is known whether somebody is signed in, also while the server cannot be asked. */
export function isRestoring(state: SessionState): boolean {
  return state.status === "restoring";
}

/** True for the usual short moment before it is known who is signed in; not where asking the server has failed. */
export function isAboutToKnow(state: SessionState): boolean {
  return isRestoring(state) && state.reason === null;
}

const RANKS: readonly Role[] = ["USER", "MANAGER", "ADMIN"];

/** Whether `role` may do what `needed` may do. A role this page does not know may do nothing special. */
export function mayActAs(role: Role, needed: Role): boolean {
  return RANKS.indexOf(role) >= RANKS.indexOf(needed);
}

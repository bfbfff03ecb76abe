import type { SessionStatus } from "@countersign/client";

/** How long events, and tabs that were closed, are remembered. */
export const KEPT_MS = 30 * 60_000;

/** Whether a tab is looked at; `frozen` is one that the browser has put to sleep. */
export type Phase = "visible" | "hidden" | "frozen";

/** A call that asks the server for a grant. `operation` is the mutation's name; only `Refresh` is silent. */
export interface CallEvent {
  readonly kind: "call";
  readonly at: number;
  readonly operation: string;
  /** Null while it is under way. */
  readonly end: number | null;
  /** `granted`, or why not: a reason or code of the server, `NETWORK` where it did not answer. */
  readonly outcome: string | null;
}

/** A grant that this tab uses from `at` on: the answer to its own call, or another tab's. */
export interface GrantEvent {
  readonly kind: "grant";
  readonly at: number;
  /** When the call for it was sent, in whichever tab that was. */
  readonly issuedAt: number;
  readonly expiresAt: number;
  readonly isOwn: boolean;
}

/** Somebody is signed in, or nobody any more. */
export interface TurnEvent {
  readonly kind: "in" | "out";
  readonly at: number;
}

/** The lock was held for show. `end` is null while it is. */
export interface HoldEvent {
  readonly kind: "hold";
  readonly at: number;
  readonly end: number | null;
}

/** What happened in a tab. All times are Unix time in milliseconds. */
export type TabEvent = CallEvent | GrantEvent | TurnEvent | HoldEvent;

/** What a tab tells the others of itself; it is never changed in place. */
export interface TabReport {
  readonly id: string;
  /** What people call it: 1, 2, 3, …; 0 for the moment until it knows which are taken. */
  readonly number: number;
  readonly openedAt: number;
  /** By which the browser names it as a holder of locks; null until known, or where there are no Web Locks. */
  readonly clientId: string | null;
  readonly phase: Phase;
  readonly status: SessionStatus;
  /** Who is signed in. */
  readonly userName: string | null;
  readonly refreshAt: number | null;
  readonly expiresAt: number | null;
  /** Oldest first. */
  readonly history: readonly TabEvent[];
}

/** A tab as the others see it. */
export interface Tab extends TabReport {
  readonly isThis: boolean;
  /** Since when it owes an answer to a hello; a tab that sleeps does not answer. */
  readonly askedAt: number | null;
  /** When it said good-bye. */
  readonly closedAt: number | null;
}

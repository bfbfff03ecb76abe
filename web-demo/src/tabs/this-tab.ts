import type { SessionState } from "@countersign/client";
import { client } from "../client.ts";
import { watchCalls } from "./calls.ts";
import { findClientId } from "./locks.ts";
import { KEPT_MS, type Phase, type TabEvent, type TabReport } from "./report.ts";

const STORED = "countersign-demo:tab";
/** A grant is as old as the call for it, but for some milliseconds. */
const SAME_MS = 50;

let report: TabReport = {
  id: crypto.randomUUID(),
  number: 0,
  openedAt: Date.now(),
  clientId: null,
  history: [],
  ...fromBeforeReload(),
  ...inBrief(client.session.state),
  phase: phase(),
};
let tell: (report: TabReport) => void = () => {};

/** What this tab has to say of itself. */
export function thisTab(): TabReport {
  return report;
}

/** Begins to record what happens in this tab; `listener` is called after every change. */
export function recordThisTab(listener: (report: TabReport) => void): void {
  tell = listener;
  watchCalls(record);
  let last = client.session.state;
  client.session.on((state) => {
    notice(last, state);
    last = state;
  });
  document.addEventListener("visibilitychange", () => changeThisTab({ phase: phase() }));
  document.addEventListener("freeze", () => changeThisTab({ phase: "frozen" }));
  document.addEventListener("resume", () => changeThisTab({ phase: phase() }));
  addEventListener("pagehide", keepForReload);
  addEventListener("pageshow", ({ persisted }) => persisted && fromBeforeReload());
  void findClientId().then((clientId) => changeThisTab({ clientId }));
}

export function changeThisTab(part: Partial<TabReport>): void {
  report = { ...report, ...part };
  tell(report);
}

/** Adds an event to the history, in place of what it was `before`. */
export function record(event: TabEvent, before: TabEvent | null = null): void {
  const since = Date.now() - KEPT_MS;
  const kept = report.history.filter((one) => one !== before && one.at > since);
  changeThisTab({ history: [...kept, event] });
}

function notice(last: SessionState, state: SessionState): void {
  const { user, sessionId, issuedAt, expiresAt } = state;
  const at = Date.now();
  changeThisTab(inBrief(state));
  if (last.user !== null && user === null) record({ kind: "out", at });
  if (user === null || issuedAt === null || expiresAt === null) return;
  if (sessionId !== last.sessionId) record({ kind: "in", at });
  if (sessionId === last.sessionId && isSame(issuedAt, last.issuedAt)) return;
  const isOwn = report.history.some((event) => event.kind === "call" && isSame(event.at, issuedAt));
  record({ kind: "grant", at, issuedAt, expiresAt, isOwn });
}

function isSame(sentAt: number, other: number | null): boolean {
  return other !== null && Math.abs(sentAt - other) < SAME_MS;
}

function inBrief({ status, user, refreshAt, expiresAt }: SessionState) {
  return { status, userName: user?.name ?? null, refreshAt, expiresAt };
}

function phase(): Phase {
  return document.visibilityState;
}

/** What this tab was before it was loaded again. It is taken away, so that no copy of the tab takes it for its own. */
function fromBeforeReload(): Partial<TabReport> {
  try {
    const kept = sessionStorage.getItem(STORED);
    sessionStorage.removeItem(STORED);
    return kept === null ? {} : JSON.parse(kept);
  } catch {
    return {};
  }
}

function keepForReload(): void {
  const { id, number, openedAt, history } = report;
  const over = history.filter((event) => !("end" in event) || event.end !== null);
  try {
    sessionStorage.setItem(STORED, JSON.stringify({ id, number, openedAt, history: over }));
  } catch {
    // Storage may be forbidden: the tab is then a new one after a reload.
  }
}

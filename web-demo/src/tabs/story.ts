import type { CallEvent, GrantEvent, Phase, Tab, TabEvent } from "./report.ts";

/** How late a tab may hear of a grant: it takes it for so much younger. */
const LATE_MS = 2_000;
/** What happens in several tabs within this time is one thing. */
const TOGETHER_MS = 1_500;

/** How long an awake tab may take to answer. */
const PATIENCE_MS = 3_000;

/** What it came to, in all tabs that are remembered. */
export interface Totals {
  open: number;
  /** Calls for a silent renewal, and those of them that brought a new token. */
  calls: number;
  renewals: number;
  /** New tokens that tabs had without a call of their own. */
  takeovers: number;
}

/** One thing that happened, as a sentence. `at` is Unix time in milliseconds. */
export interface Entry {
  readonly key: string;
  readonly at: number;
  readonly sentence: string;
}

/** A grant on its way from the tab that asked for it to one that took it over. */
export interface Handover {
  readonly from: Tab;
  readonly to: Tab;
  /** When it was given away: as soon as it was there, or to a tab that was opened later. */
  readonly sentAt: number;
  readonly grant: GrantEvent;
}

/** Counts. */
export function totals(tabs: readonly Tab[]): Totals {
  const refreshes = tabs.flatMap(callsOf).filter(({ operation }) => operation === "Refresh");
  return {
    open: tabs.filter(({ closedAt }) => closedAt === null).length,
    calls: refreshes.length,
    renewals: refreshes.filter(({ outcome }) => outcome === "granted").length,
    takeovers: tabs.flatMap(takeoversOf).length,
  };
}

/** Which grants came from which tab. */
export function handovers(tabs: readonly Tab[]): Handover[] {
  return tabs.flatMap((to) =>
    takeoversOf(to).flatMap((grant) => {
      const call = sourceOf(grant, tabs);
      const from = tabs.find((tab) => call && callsOf(tab).includes(call));
      if (!from || !call?.end) return [];
      const sentAt = grant.at - call.end < LATE_MS ? call.end : grant.at;
      return [{ from, to, sentAt, grant }];
    }),
  );
}

/** What happened, newest first: a call with all that came of it is one entry. */
export function story(tabs: readonly Tab[]): Entry[] {
  const entries = [
    ...tabs.flatMap((tab) => callsOf(tab).map((call) => ofCall(tabs, tab, call))),
    ...ofSignOuts(tabs),
  ];
  return entries.sort((a, b) => b.at - a.at);
}

function ofCall(tabs: readonly Tab[], tab: Tab, call: CallEvent): Entry {
  const { at, end, outcome } = call;
  const name = nameOf(tab);
  const key = `${tab.id} ${at}`;
  const [doing, done, undone] = WORDS[call.operation] ?? OTHER_WORDS;
  if (end === null || outcome === null) return { key, at, sentence: `${name} ${doing}…` };
  if (outcome !== "granted")
    return { key, at, sentence: `${name} could not ${undone} (${outcome}).` };
  const heirs = tabs.filter((other) =>
    takeoversOf(other).some((grant) => sourceOf(grant, tabs) === call),
  );
  const sharing = heirs.length > 0 ? ` ${names(heirs)} took it over.` : "";
  return { key, at, sentence: `${name} ${done} in ${end - at} ms.${sharing}` };
}

type Words = readonly [doing: string, done: string, undone: string];

const WORDS: Readonly<Record<string, Words>> = {
  Refresh: ["renews the token", "renewed the token", "renew the token"],
  Login: ["signs in", "signed in", "sign in"],
  Register: ["creates an account", "created an account", "create an account"],
};
/** For what proves the password again. */
const OTHER_WORDS: Words = ["asks for a new token", "got a new token", "get a new token"];

function ofSignOuts(tabs: readonly Tab[]): Entry[] {
  const outs = tabs
    .flatMap((tab) => tab.history.filter(isOut).map(({ at }) => ({ tab, at })))
    .sort((a, b) => a.at - b.at);
  const groups: (typeof outs)[] = [];
  for (const out of outs) {
    const group = groups.at(-1);
    if (group?.[0] && out.at - group[0].at < TOGETHER_MS) group.push(out);
    else groups.push([out]);
  }
  return groups.map((group) => {
    const at = group[0]?.at ?? 0;
    const verb = group.length === 1 ? "is" : "are";
    return {
      key: `out ${at}`,
      at,
      sentence: `${names(group.map(({ tab }) => tab))} ${verb} signed out.`,
    };
  });
}

/** "Tab 2". */
export function nameOf({ number }: Tab): string {
  return number === 0 ? "A new tab" : `Tab ${number}`;
}

/** Whether it is looked at. One that owes an answer for long is asleep, or gone without a word. */
export function phaseOf({ phase, askedAt }: Tab, now: number): string {
  return askedAt !== null && now - askedAt > PATIENCE_MS ? "silent" : PHASES[phase];
}

const PHASES: Readonly<Record<Phase, string>> = {
  visible: "in view",
  hidden: "in the background",
  frozen: "asleep",
};

const LIST = new Intl.ListFormat("en-GB");

function names(tabs: readonly Tab[]): string {
  return LIST.format(tabs.toSorted((a, b) => a.number - b.number).map(nameOf));
}

/** The call that brought a grant which was taken over: the one whose time is nearest to that of the grant. */
function sourceOf({ issuedAt }: GrantEvent, tabs: readonly Tab[]): CallEvent | undefined {
  const distance = ({ at }: CallEvent) => Math.abs(issuedAt - at);
  return tabs
    .flatMap(callsOf)
    .filter((call) => call.outcome === "granted" && distance(call) < LATE_MS)
    .sort((a, b) => distance(a) - distance(b))[0];
}

function callsOf({ history }: Tab): CallEvent[] {
  return history.filter((event) => event.kind === "call");
}

function takeoversOf({ history }: Tab): GrantEvent[] {
  return history.filter((event) => event.kind === "grant" && !event.isOwn) as GrantEvent[];
}

function isOut({ kind }: TabEvent): boolean {
  return kind === "out";
}

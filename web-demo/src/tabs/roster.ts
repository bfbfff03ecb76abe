import { useEffect, useSyncExternalStore } from "react";
import { client } from "../client.ts";
import { KEPT_MS, type Tab, type TabReport } from "./report.ts";
import { changeThisTab, recordThisTab, thisTab } from "./this-tab.ts";

/** What the tabs of the demo say to each other. A hello is answered by everybody. */
type Message =
  | { type: "hello" }
  | { type: "here"; tab: TabReport }
  | { type: "bye"; id: string }
  | { type: "renew" };

/** How long a new tab listens for numbers that are taken. */
const SETTLE_MS = 150;
const ASK_EVERY_MS = 4_000;

let channel: BroadcastChannel | null = null;
const others = new Map<string, Tab>();
let tabs: readonly Tab[] = [];
const listeners = new Set<() => void>();

/** Joins the tabs of the demo in this browser, until the page is left. */
export function joinTabs(): void {
  recordThisTab(announce);
  open();
  addEventListener("pagehide", close);
  addEventListener("pageshow", ({ persisted }) => persisted && open());
  setTimeout(() => {
    if (thisTab().number === 0) changeThisTab({ number: freeNumber() });
  }, SETTLE_MS);
}

/** The tabs of this browser that have the demo open, or had it a while ago, by number. Asks them while it is in use. */
export function useTabs(): readonly Tab[] {
  useEffect(() => {
    ask();
    const timer = setInterval(() => !document.hidden && ask(), ASK_EVERY_MS);
    return () => clearInterval(timer);
  }, []);
  return useSyncExternalStore(subscribe, () => tabs);
}

/** Renews in every tab at the same moment; settles when this one is done. */
export async function renewEverywhere(): Promise<void> {
  post({ type: "renew" });
  await client.session.token({ force: true });
}

function subscribe(notify: () => void): () => void {
  listeners.add(notify);
  return () => listeners.delete(notify);
}

/** Where the browser has no channels this tab knows of itself only. */
function open(): void {
  if (typeof BroadcastChannel !== "undefined") {
    channel = new BroadcastChannel("countersign-demo");
    channel.onmessage = ({ data }: MessageEvent<Message>) => hear(data);
  }
  ask();
  announce();
}

/** An open channel would keep the page out of the back/forward cache. */
function close(): void {
  post({ type: "bye", id: thisTab().id });
  channel?.close();
  channel = null;
}

function post(message: Message): void {
  channel?.postMessage(message);
}

function announce(): void {
  post({ type: "here", tab: thisTab() });
  publish();
}

function ask(): void {
  const now = Date.now();
  for (const [id, tab] of others) {
    if (tab.closedAt !== null && now - tab.closedAt > KEPT_MS) others.delete(id);
    else others.set(id, { ...tab, askedAt: tab.askedAt ?? now });
  }
  post({ type: "hello" });
  publish();
}

function hear(message: Message): void {
  if (message.type === "hello") post({ type: "here", tab: thisTab() });
  if (message.type === "renew") client.session.token({ force: true }).catch(() => {}); // its banner says why
  if (message.type === "here") meet(message.tab);
  if (message.type === "bye") part(message.id);
}

function meet(tab: TabReport): void {
  others.set(tab.id, { ...tab, isThis: false, askedAt: null, closedAt: null });
  const own = thisTab();
  if (own.number > 0 && own.number === tab.number && isYounger(own, tab))
    changeThisTab({ number: freeNumber() });
  publish();
}

function part(id: string): void {
  const tab = others.get(id);
  if (tab) others.set(id, { ...tab, closedAt: Date.now() });
  publish();
}

function publish(): void {
  const own: Tab = { ...thisTab(), isThis: true, askedAt: null, closedAt: null };
  tabs = [own, ...others.values()].sort((a, b) => a.number - b.number || a.openedAt - b.openedAt);
  for (const notify of listeners) notify();
}

/** Of two tabs that were opened together and took the same number, one gives way. */
function isYounger(a: TabReport, b: TabReport): boolean {
  return a.openedAt === b.openedAt ? a.id > b.id : a.openedAt > b.openedAt;
}

function freeNumber(): number {
  const taken = new Set([...others.values()].map(({ number }) => number));
  let number = 1;
  while (taken.has(number)) number += 1;
  return number;
}

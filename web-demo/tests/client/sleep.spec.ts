import { commonToken, expect, expectAll, expectUser, test } from "../support/client.ts";

/** Half of it is the margin; the shortest time to a renewal is a quarter, 1.5 s. */
const LIFE_MS = 6_000;

test.use({ settings: { COUNTERSIGN_TOKENS__ACCESS_TTL: "6s" } });

/** Waits until every token that there is now has expired. */
const expiry = () => new Promise((resolve) => setTimeout(resolve, LIFE_MS));

test("a page that was frozen past the expiry is renewed once when it is used", async ({
  open,
  ana,
  wire,
}) => {
  const tab = await open();
  await tab.signIn(ana);
  await tab.freeze();
  const before = wire.count("Refresh");
  await expiry();
  expect(wire.count("Refresh")).toBe(before);
  await tab.thaw();
  expect(await tab.me()).toEqual({ value: ana.email });
  expect(wire.count("Refresh")).toBe(before + 1);
  expect(wire.count("Me")).toBe(1);
});

test("eight tabs that were frozen past the expiry and wake together cost one renewal", async ({
  openAll,
  ana,
  wire,
}) => {
  const tabs = await openAll(8);
  await tabs[0]?.signIn(ana);
  await expectUser(tabs, ana);
  await Promise.all(tabs.map((tab) => tab.freeze()));
  const before = wire.count("Refresh");
  await expiry();
  expect(wire.count("Refresh")).toBe(before);
  await Promise.all(tabs.map((tab) => tab.thaw()));
  const answers = await Promise.all(tabs.map((tab) => tab.me()));
  expect(answers).toEqual(tabs.map(() => ({ value: ana.email })));
  expect(wire.count("Refresh")).toBe(before + 1);
  await commonToken(tabs);
});

test("a hidden page renews nothing by itself, and once when it is shown", async ({
  open,
  ana,
  wire,
  context,
}) => {
  const tab = await open();
  await tab.signIn(ana);
  await context.newPage();
  expect(await tab.page.evaluate(() => document.hidden)).toBe(true);
  const before = wire.count("Refresh");
  await expiry();
  expect(wire.count("Refresh")).toBe(before);
  await tab.show();
  await expect.poll(() => wire.count("Refresh")).toBe(before + 1);
  await expectAll([tab], "live");
  expect(await tab.me()).toEqual({ value: ana.email });
  expect(wire.count("Me")).toBe(1);
});

test("eight windows renew one token after the other, each of them once", async ({
  openWindow,
  ana,
  wire,
}) => {
  const windows = [];
  for (let at = 0; at < 8; at += 1) windows.push(await openWindow());
  await windows[0]?.signIn(ana);
  await expectUser(windows, ana);
  for (const { page } of windows) expect(await page.evaluate(() => document.hidden)).toBe(false);
  await expect.poll(() => wire.count("Refresh"), { timeout: 40_000 }).toBeGreaterThanOrEqual(5);
  await commonToken(windows);

  const calls = wire.callsOf("Refresh");
  // Each renewal is one of the server's: a repeat would carry the attempt key of another.
  expect(new Set(calls.map(({ variables }) => variables.attempt)).size).toBe(calls.length);
  for (const [at, call] of calls.entries())
    expect(call.at - (calls[at - 1]?.at ?? Number.NEGATIVE_INFINITY)).toBeGreaterThan(LIFE_MS / 4);
  for (const window of windows) {
    const statuses = (await window.log()).map(({ status }) => status);
    expect(statuses).not.toContain("stale");
    expect(statuses).not.toContain("signed-out");
  }
});

import { expect, expectAll, expectUser, type Tab, test } from "../support/client.ts";

const HOUR = 3_600_000;

/** Goes on to a page that does nothing, as by a link. */
async function leave({ page }: Tab): Promise<void> {
  await page.goto("/?later");
}

/** Comes back, to the very page that was left. */
async function goBack({ page }: Tab): Promise<string> {
  await page.goBack({ waitUntil: "commit" });
  const frame = await page.waitForFunction(() => window.harness.firstFrame);
  return String(await frame.jsonValue());
}

test("the back button brings a page back as it was, and its session lives on", async ({
  open,
  ana,
  wire,
}) => {
  const tab = await open();
  await tab.signIn(ana);
  await expectUser([tab], ana);
  await leave(tab);
  expect(await goBack(tab)).toContain(ana.name);
  await expect.poll(() => wire.streams).toBe(1);
  await tab.passTime(HOUR);
  expect(await tab.me()).toEqual({ value: ana.email });
  expect(wire.count("Refresh")).toBe(1);
});

test("after a sign-out on another page of this tab the back button shows no name", async ({
  open,
  ana,
  wire,
}) => {
  const tab = await open();
  await tab.signIn(ana);
  await expectUser([tab], ana);
  await leave(tab);
  await tab.page.evaluate(() => window.harness.client.session.start());
  await expectUser([tab], ana);
  const before = wire.count("Refresh");
  await tab.signOut();
  expect(await goBack(tab)).not.toContain(ana.name);
  await expectAll([tab], "signed-out");
  expect(await tab.token()).toEqual({ value: null });
  expect(wire.count("Refresh")).toBe(before);
});

test("after a sign-out in another tab the back button shows no name", async ({
  open,
  ana,
  wire,
}) => {
  const [tab, other] = [await open(), await open()];
  await tab.signIn(ana);
  await expectUser([tab, other], ana);
  await leave(tab);
  await other.signOut();
  await tab.show();
  expect(await goBack(tab)).not.toContain(ana.name);
  await expectAll([tab], "signed-out");
  expect(await tab.token()).toEqual({ value: null });
  expect(wire.count("Refresh")).toBe(0);
});

test("after a sign-in as somebody else the back button shows that user", async ({
  open,
  ana,
  bob,
}) => {
  const [tab, other] = [await open(), await open()];
  await tab.signIn(ana);
  await expectUser([tab, other], ana);
  await leave(tab);
  await other.signIn(bob);
  await tab.show();
  expect(await goBack(tab)).not.toContain(ana.name);
  await expectUser([tab], bob);
  expect(await tab.me()).toEqual({ value: bob.email });
});

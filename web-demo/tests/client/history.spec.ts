import { deafen, expect, expectAll, expectUser, type Tab, test } from "../support/client.ts";

const HOUR = 3_600_000;

/** Goes on to a page that does nothing by itself, as by a link. */
async function leave({ page }: Tab): Promise<void> {
  await page.goto(`${new URL(page.url()).origin}/?later`);
}

/** Comes back by the back button; what stands in the page then, from the first frame on. */
async function goBack({ page }: Tab): Promise<{ text: string; isKept: boolean } | null> {
  await page.goBack({ waitUntil: "commit" });
  return (await page.waitForFunction(() => window.harness?.shown)).jsonValue();
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
  expect(await goBack(tab)).toEqual({ text: expect.stringContaining(ana.name), isKept: true });
  await expect.poll(() => wire.streams).toBe(1);
  await tab.passTime(HOUR);
  expect(await tab.me()).toEqual({ value: ana.email });
  expect(wire.count("Refresh")).toBe(1);
});

// A message on its channel makes Chromium drop a page that it kept, and load it anew. Others leave the message out.
for (const { which, isKept } of [
  { which: "that is loaded anew", isKept: false },
  { which: "that was kept", isKept: true },
]) {
  test.describe(`on a page ${which}`, () => {
    test.beforeEach(async ({ context }) => {
      if (isKept) await context.addInitScript(deafen);
    });

    test("the back button shows no name after a sign-out on the next page of the tab", async ({
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
      const shown = await goBack(tab);
      expect(shown).toEqual({ text: expect.not.stringContaining(ana.name), isKept });
      await expectAll([tab], isKept ? "signed-out" : "anonymous");
      expect(await tab.token()).toEqual({ value: null });
      expect(wire.count("Refresh")).toBe(before);
    });

    test("the back button shows no name after a sign-out in another tab", async ({
      open,
      ana,
      wire,
    }) => {
      const [other, tab] = [await open(), await open()];
      await tab.signIn(ana);
      await expectUser([tab], ana);
      await other.page.reload();
      await expectUser([other], ana);
      await leave(tab);
      const before = wire.count("Refresh");
      await other.signOut();
      await tab.show();
      const shown = await goBack(tab);
      expect(shown).toEqual({ text: expect.not.stringContaining(ana.name), isKept });
      await expectAll([tab], isKept ? "signed-out" : "anonymous");
      expect(await tab.token()).toEqual({ value: null });
      expect(wire.count("Refresh")).toBe(before);
    });

    test("the back button shows who has signed in since", async ({ open, ana, bob }) => {
      const [other, tab] = [await open(), await open()];
      await tab.signIn(ana);
      await expectUser([tab], ana);
      await leave(tab);
      await other.signIn(bob);
      await tab.show();
      const shown = await goBack(tab);
      expect(shown).toEqual({ text: expect.not.stringContaining(ana.name), isKept });
      await expectUser([tab], bob);
      expect(await tab.me()).toEqual({ value: bob.email });
    });
  });
}

import { expect, expectUser, type Tab, test } from "../support/client.ts";
import type { Person } from "../support/server.ts";
import type { Wire } from "../support/wire.ts";

const HOUR = 3_600_000;

/** Looks at the page and uses it, as somebody does who notices nothing. */
async function use(tabs: Tab[], ana: Person): Promise<void> {
  for (const tab of tabs) {
    await tab.show();
    await tab.wake();
    expect(await tab.me()).toEqual({ value: ana.email });
    expect(await tab.state()).toMatchObject({ status: "live" });
  }
}

/** Neither a renewal nor a request that the server refused. */
function expectCalls(wire: Wire, calls: { Refresh: number; Me: number }): void {
  expect({ Refresh: wire.count("Refresh"), Me: wire.count("Me") }).toEqual(calls);
}

for (const [name, clockAhead] of [
  ["two hours ahead", 2 * HOUR],
  ["two hours behind", -2 * HOUR],
] as const) {
  test.describe(`on a clock that is ${name}`, () => {
    test.use({ clockAhead });

    test("a session lasts and is renewed as on a right one", async ({ open, ana, wire }) => {
      const [first, second] = [await open(), await open()];
      await first.signIn(ana);
      await expectUser([first, second], ana);
      await use([first, second], ana);
      expectCalls(wire, { Refresh: 0, Me: 2 });

      for (const tab of [first, second]) await tab.passTime(HOUR);
      await use([first, second], ana);
      expectCalls(wire, { Refresh: 1, Me: 4 });
    });

    test("a page that is loaded anew has its session again", async ({ open, ana, wire }) => {
      const tab = await open();
      await tab.signIn(ana);
      await tab.page.reload();
      await expectUser([tab], ana);
      await use([tab], ana);
      expectCalls(wire, { Refresh: 1, Me: 1 });
    });
  });

  test(`a clock that is set ${name} while pages are open changes nothing`, async ({
    open,
    ana,
    wire,
  }) => {
    const tabs = [await open(), await open()];
    await tabs[0]?.signIn(ana);
    await expectUser(tabs, ana);
    await expect.poll(() => wire.streams).toBe(2);
    for (const tab of tabs) await tab.stepClock(clockAhead);
    await use(tabs, ana);
    expectCalls(wire, { Refresh: 0, Me: 2 });
    // And back, as time servers do.
    for (const tab of tabs) await tab.stepClock(-clockAhead);
    await use(tabs, ana);
    expectCalls(wire, { Refresh: 0, Me: 4 });
    expect(wire.streams).toBe(2);

    for (const tab of tabs) await tab.passTime(HOUR);
    await use(tabs, ana);
    expectCalls(wire, { Refresh: 1, Me: 6 });
  });
}

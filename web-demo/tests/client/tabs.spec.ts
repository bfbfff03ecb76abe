import {
  commonToken,
  expect,
  expectAll,
  expectUser,
  holdsCookie,
  test,
} from "../support/client.ts";
import { delay, lose } from "../support/wire.ts";

const HOUR = 3_600_000;

test("eight tabs that are restored together cost one renewal", async ({
  open,
  openAll,
  ana,
  wire,
}) => {
  const first = await open();
  await first.signIn(ana);
  await first.page.close();
  // Slow enough that all of them come while it is under way.
  wire.breakOnce("Refresh", delay(1_000));
  const tabs = await openAll(8);
  await expectUser(tabs, ana);
  await commonToken(tabs);
  expect(wire.count("Refresh")).toBe(1);
});

test("a tab beside one that is live costs nothing", async ({ open, openAll, ana, wire }) => {
  const first = await open();
  await first.signIn(ana);
  const others = await openAll(7);
  await expectUser(others, ana);
  await commonToken([first, ...others]);
  expect(wire.count("Refresh")).toBe(0);
});

test("a sign-in shows in all tabs, and costs no renewal", async ({ openAll, ana, wire }) => {
  const tabs = await openAll(8);
  await expectAll(tabs, "anonymous");
  await tabs[0]?.signIn(ana);
  await expectUser(tabs, ana);
  await commonToken(tabs);
  expect(wire.count("Refresh")).toBe(0);
});

test("eight tabs that are used together after hours cost one renewal", async ({
  openAll,
  ana,
  wire,
}) => {
  const tabs = await openAll(8);
  await tabs[0]?.signIn(ana);
  await expectUser(tabs, ana);
  for (const tab of tabs) await tab.passTime(3 * HOUR);
  const answers = await Promise.all(tabs.map((tab) => tab.me()));
  expect(answers).toEqual(tabs.map(() => ({ value: ana.email })));
  await commonToken(tabs);
  expect(wire.count("Refresh")).toBe(1);
});

test("a tab that is frozen with the lock in its hands stops nobody", async ({
  openAll,
  ana,
  wire,
}) => {
  const [holder, ...others] = await openAll(8);
  await holder?.signIn(ana);
  await expectUser(others, ana);
  const sessionId = (await holder?.state())?.sessionId;

  const held = wire.holdAnswer("Refresh");
  const late = holder?.renew();
  await held.arrived;
  await holder?.freeze();
  const tokens = await Promise.all(others.map((tab) => tab.renew()));
  expect(new Set(tokens.map((token) => JSON.stringify(token))).size).toBe(1);
  expect(await others[0]?.me()).toEqual({ value: ana.email });
  expect(wire.count("Refresh")).toBe(2);

  held.release();
  await holder?.thaw();
  expect(await late).toHaveProperty("value");
  for (const tab of [holder, ...others]) {
    expect(await tab?.me()).toEqual({ value: ana.email });
    expect(await tab?.state()).toMatchObject({ status: "live", sessionId });
  }
  expect(wire.count("Refresh")).toBe(2);
});

test("a tab that is closed in the middle of a renewal leaves it to the others to repeat", async ({
  openAll,
  ana,
  wire,
}) => {
  const [first, ...others] = await openAll(8);
  await first?.signIn(ana);
  await expectUser(others, ana);
  const held = wire.holdAnswer("Refresh");
  const lost = first?.renew().catch(() => {});
  await held.arrived;
  await first?.page.close();
  await lost;
  await Promise.all(others.map((tab) => tab.renew()));
  await commonToken(others);
  expect(await others[0]?.me()).toEqual({ value: ana.email });
  const [one, again, ...more] = wire.callsOf("Refresh");
  expect(again?.variables.attempt).toBe(one?.variables.attempt);
  expect(more).toEqual([]);
});

test("a sign-out during another tab's renewal holds in all tabs, and its late answer brings nobody back", async ({
  open,
  openAll,
  ana,
  wire,
  server,
  context,
}) => {
  const [first, second, ...others] = await openAll(8);
  await first?.signIn(ana);
  const tabs = [first, second, ...others].filter((tab) => tab !== undefined);
  await expectUser(tabs, ana);
  const token = await commonToken(tabs);

  const held = wire.holdAnswer("Refresh");
  const late = first?.renew();
  await held.arrived;
  const signedOut = second?.signOut();
  await expectAll(tabs, "signed-out");
  held.release();
  await signedOut;
  expect(await late).toEqual({ value: null });
  await expect.poll(() => wire.count("Logout")).toBe(1);

  expect(await server.refusal(token)).toBe("SESSION_ENDED");
  expect(await holdsCookie(context)).toBe(false);
  await expectAll(tabs, "signed-out");
  await expectAll([await open()], "anonymous");
  expect(wire.count("Refresh")).toBe(1);
});

test("a sign-out does not wait for a tab that is frozen in its renewal, whose cookie opens nothing", async ({
  open,
  ana,
  wire,
  server,
}) => {
  const [first, second] = [await open(), await open()];
  await first.signIn(ana);
  await expectUser([second], ana);
  const token = await commonToken([first, second]);
  const held = wire.holdAnswer("Refresh");
  const late = first.renew();
  await held.arrived;
  await first.freeze();
  await second.signOut();
  await expectAll([second], "signed-out");
  expect(await server.refusal(token)).toBe("SESSION_ENDED");

  held.release();
  await first.thaw();
  expect(await late).toEqual({ value: null });
  await first.page.reload();
  await expectAll([first], "anonymous");
  expect(wire.count("Refresh")).toBe(1);
});

test("a sign-in as somebody else changes all tabs, and none goes back", async ({
  openAll,
  ana,
  bob,
  wire,
}) => {
  const tabs = await openAll(8);
  const [first, second] = tabs;
  await first?.signIn(ana);
  await expectUser(tabs, ana);

  const held = wire.holdAnswer("Refresh");
  const late = first?.renew();
  await held.arrived;
  const signedIn = second?.signIn(bob);
  held.release();
  await Promise.all([late, signedIn]);
  await expectUser(tabs, bob);
  for (const tab of tabs) {
    const users = (await tab.log()).map(({ user }) => user?.name);
    expect(users.slice(users.indexOf(bob.name))).not.toContain(ana.name);
    expect(await tab.me()).toEqual({ value: bob.email });
  }
  await commonToken(tabs);
  expect(wire.count("Refresh")).toBe(1);
});

test("a request under way is not sent again as the user who signed in meanwhile", async ({
  open,
  ana,
  bob,
  wire,
}) => {
  const [first, second] = [await open(), await open()];
  await first.signIn(ana);
  await expectUser([second], ana);
  const held = wire.holdCall("Me");
  const asked = first.me();
  await held.arrived;
  await second.signIn(bob);
  await expectUser([first, second], bob);
  held.release();
  expect(await asked).toMatchObject({ code: "UNAUTHENTICATED", reason: "SESSION_ENDED" });
  expect(wire.count("Me")).toBe(1);
});

test("a request that waits for a token is not sent as the user who signed in meanwhile", async ({
  open,
  ana,
  bob,
  wire,
}) => {
  const [first, second] = [await open(), await open()];
  await first.signIn(ana);
  await expectUser([second], ana);
  const held = wire.holdAnswer("Login");
  const signedIn = second.signIn(bob);
  await held.arrived;
  // An hour, but not on the clock on the wall, by which tabs tell each other how late they hear.
  await first.passTime(HOUR);
  await first.stepClock(-HOUR);
  const asked = first.me();
  held.release();
  await signedIn;
  expect(await asked).toMatchObject({ code: "SESSION_CHANGED" });
  expect(wire.count("Me")).toBe(0);
});

test("two clients of one page's origin have states of their own, and the cookie in common", async ({
  open,
  ana,
  bob,
  wire,
}) => {
  const [one, other] = [await open("id=one"), await open("id=other")];
  await one.signIn(ana);
  await expectUser([one], ana);
  await expectAll([other], "anonymous");
  await one.renew();
  await other.signIn(bob);
  await expectUser([other], bob);
  // The server ends the session whose cookie came along.
  await expectAll([one], "signed-out");
  expect(await one.state()).toMatchObject({ reason: "SESSION_REPLACED" });
  await other.page.reload();
  await expectUser([other], bob);
  expect(wire.count("Refresh")).toBe(2);
});

// How many renewals it costs at most: where something is missing, a slow tab may be asked in vain.
for (const { missing, remove, opening, using } of [
  {
    missing: "Web Locks",
    remove: () => Reflect.deleteProperty(Navigator.prototype, "locks"),
    opening: 7,
    using: 8,
  },
  {
    missing: "BroadcastChannel",
    remove: () => Reflect.deleteProperty(globalThis, "BroadcastChannel"),
    opening: 7,
    using: 8,
  },
  {
    missing: "localStorage",
    remove: () =>
      Object.defineProperty(globalThis, "localStorage", {
        get() {
          throw new DOMException("Access is denied", "SecurityError");
        },
      }),
    opening: 8,
    using: 1,
  },
]) {
  test(`without ${missing} nobody is signed out`, async ({ context, open, openAll, ana, wire }) => {
    await context.addInitScript(remove);
    const first = await open();
    await first.signIn(ana);
    const tabs = [first, ...(await openAll(7))];
    await expectUser(tabs, ana);
    expect(wire.count("Refresh")).toBeLessThanOrEqual(opening);
    for (const tab of tabs) await tab.passTime(HOUR);
    const answers = await Promise.all(tabs.map((tab) => tab.me()));
    expect(answers).toEqual(tabs.map(() => ({ value: ana.email })));
    expect(wire.count("Refresh")).toBeLessThanOrEqual(opening + using);
    const { sessionId } = await first.state();
    for (const tab of tabs) expect(await tab.state()).toMatchObject({ status: "live", sessionId });
  });
}

test("a renewal whose answer was lost is repeated by the page that is opened next", async ({
  open,
  ana,
  wire,
  tolerate,
}) => {
  tolerate(/ERR_EMPTY_RESPONSE/);
  const first = await open();
  await first.signIn(ana);
  wire.break("Refresh", lose);
  expect(await first.renew()).toMatchObject({ code: "NETWORK", retriable: true });
  await first.page.close();
  wire.mend("Refresh");
  const second = await open();
  await expectUser([second], ana);
  const attempts = wire.callsOf("Refresh").map(({ variables }) => variables.attempt);
  expect(new Set(attempts).size).toBe(1);
});

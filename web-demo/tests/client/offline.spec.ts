import { expect, expectAll, expectUser, holdsCookie, test } from "../support/client.ts";

const HOUR = 3_600_000;

test.beforeEach(({ tolerate }) =>
  tolerate(/ERR_INTERNET_DISCONNECTED|ERR_EMPTY_RESPONSE|WebSocket connection/),
);

test("hours without a network sign nobody out, and cost one renewal when it is back", async ({
  open,
  ana,
  wire,
  context,
}) => {
  const [first, second] = [await open(), await open()];
  await first.signIn(ana);
  await expectUser([second], ana);
  const { sessionId } = await first.state();
  await context.setOffline(true);
  for (const tab of [first, second]) {
    await tab.passTime(5 * HOUR);
    expect(await tab.token()).toMatchObject({ code: "NETWORK", retriable: true });
    expect(await tab.state()).toMatchObject({ status: "stale", user: { name: ana.name } });
  }
  expect(wire.count("Refresh")).toBe(0);

  await context.setOffline(false);
  await expectAll([first, second], "live");
  expect(wire.count("Refresh")).toBe(1);
  for (const tab of [first, second]) {
    expect(await tab.state()).toMatchObject({ status: "live", sessionId });
    expect(await tab.me()).toEqual({ value: ana.email });
  }
});

test("a page that is opened without a network waits for it, and then knows who is signed in", async ({
  open,
  ana,
  context,
}) => {
  const first = await open();
  await first.signIn(ana);
  const second = await open("later");
  await first.page.close();
  await context.setOffline(true);
  await second.page.evaluate(() => window.harness.client.session.start());
  expect(await second.token()).toMatchObject({ code: "NETWORK", retriable: true });
  expect(await second.state()).toMatchObject({ status: "restoring", user: null });
  await context.setOffline(false);
  await expectUser([second], ana);
});

test("a sign-out without a network holds in pages that start later, and reaches the server with the network", async ({
  open,
  ana,
  wire,
  server,
  context,
}) => {
  const [first, second] = [await open(), await open()];
  await first.signIn(ana);
  await expectUser([second], ana);
  const outcome = await first.token();
  const token = "value" in outcome ? String(outcome.value) : "";
  const later = await open("later");

  await context.setOffline(true);
  await first.signOut();
  await expectAll([first, second], "signed-out");
  expect(await server.refusal(token)).toBeUndefined();
  for (const tab of [first, second]) await tab.page.close();
  await later.page.evaluate(() => window.harness.client.session.start());
  expect(await later.token()).toEqual({ value: null });
  expect(await later.state()).toMatchObject({ user: null });

  await context.setOffline(false);
  await expect.poll(() => server.refusal(token)).toBe("SESSION_ENDED");
  expect(wire.count("Logout")).toBe(1);
  expect(await holdsCookie(context)).toBe(false);
  await expectAll([await open()], "anonymous");
  expect(wire.count("Refresh")).toBe(0);
});

test("a sign-out without a network does not end the session of who signs in next", async ({
  open,
  ana,
  bob,
  wire,
  context,
}) => {
  const [first, second] = [await open(), await open()];
  await first.signIn(ana);
  await expectUser([second], ana);
  await context.setOffline(true);
  await first.signOut();
  await expectAll([first, second], "signed-out");
  wire.break("Logout", ({ response }) => response.destroy());
  await context.setOffline(false);
  await second.signIn(bob);
  await expectUser([first, second], bob);
  wire.mend("Logout");
  await first.page.reload();
  await expectUser([first, second], bob);
  expect(await first.me()).toEqual({ value: bob.email });
});

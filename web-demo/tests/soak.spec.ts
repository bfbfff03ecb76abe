import { watchForInterruptions } from "./support/interruptions.ts";
import { expect, renewals, signIn, test } from "./support/test.ts";

test.use({ settings: { COUNTERSIGN_TOKENS__ACCESS_TTL: "10s" } });

const MINUTES = Number(process.env.SOAK_MINUTES ?? "5");

test(`a page left open with 10-second tokens stays signed in for ${MINUTES} minutes`, async ({
  page,
  server,
}) => {
  test.setTimeout((MINUTES + 2) * 60_000);
  await signIn(page, await server.createPerson());
  await expect(page.getByText("Verified", { exact: true }).first()).toBeVisible();
  const interruptions = await watchForInterruptions(page);
  const started = Date.now();
  const end = started + MINUTES * 60_000;
  let count = 0;
  let renewed = started;
  while (Date.now() < end) {
    await page.waitForTimeout(1000);
    const now = await renewals(page);
    if (now > count) renewed = Date.now();
    count = now;
    expect(Date.now() - renewed, "a token's life has passed without a renewal").toBeLessThan(
      12_000,
    );
    expect(await interruptions()).toEqual([]);
  }
  process.stdout.write(`${count} renewals in ${MINUTES} minutes, no interruption\n`);
  expect(count).toBeGreaterThanOrEqual(MINUTES * 6 - 1);
  await page.getByRole("link", { name: "Account" }).click();
  await expect(page.getByRole("heading", { name: "Ana Lovelace" })).toBeVisible();
});

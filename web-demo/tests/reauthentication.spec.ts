import { expect, signIn, test } from "./support/test.ts";

test.use({ settings: { COUNTERSIGN_SESSIONS__FRESH_AUTH: "1s" } });

test("an old sign-in is asked to sign out and in again before the address changes", async ({
  page,
  server,
}) => {
  await signIn(page, await server.createPerson());
  // The server compares whole seconds of auth_time with its clock.
  await page.waitForTimeout(2100);
  await page.getByRole("link", { name: "Account" }).click();
  await page.getByLabel("E-mail").fill("moved-late@example.com");
  await page.getByRole("button", { name: "Save" }).last().click();
  await expect(page.getByRole("alert")).toContainText("Please sign out and in again");
});

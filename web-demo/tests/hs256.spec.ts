import { expect, signIn, test, tokenOf } from "./support/test.ts";

test.use({ settings: { COUNTERSIGN_TOKENS__ALGORITHM: "HS256" } });

test("a server that publishes no key: the page checks the claims, and says that it checks no signature", async ({
  page,
  server,
}) => {
  await signIn(page, await server.createPerson());
  const verification = page.getByRole("region", { name: "Its countersignature" });
  await expect(verification.getByText("Claims checked")).toBeVisible();
  await expect(verification).toContainText("Not checked here");
  await expect(page.getByRole("region", { name: "What it says" })).toContainText("HS256");
  expect(await server.refusal(await tokenOf(page))).toBeUndefined();

  // Nothing that a page can see; the server sees it.
  await page.getByRole("button", { name: "Flip a signature character" }).click();
  await expect(page.getByTestId("page-verdict")).toContainText("Claims checked");
  await page.getByRole("button", { name: "Send it to the server" }).click();
  await expect(page.getByTestId("server-verdict")).toContainText("TOKEN_INVALID");

  await page.getByRole("button", { name: "Set alg to none" }).click();
  await expect(page.getByTestId("page-verdict")).toContainText("Refused");
});

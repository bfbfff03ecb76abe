import type { Page } from "@playwright/test";
import { expect, signIn, test } from "./support/test.ts";

test.beforeEach(async ({ page, server }) => {
  await signIn(page, await server.createPerson());
});

test("the token is verified against pinned rules and explained", async ({ page, server }) => {
  const verification = page.getByRole("region", { name: "Its countersignature" });
  await expect(verification.getByText("Verified", { exact: true })).toBeVisible();
  await expect(verification).toContainText(server.origin);
  const anatomy = page.getByRole("region", { name: "What it says" });
  for (const word of [
    "at+jwt",
    "EdDSA",
    server.origin,
    "USER",
    "Who signed it",
    "When it runs out",
  ]) {
    await expect(anatomy).toContainText(word);
  }
});

test("the bar counts down, and says so to a screen reader", async ({ page }) => {
  const bar = page.getByRole("progressbar", { name: "Life left of this token" });
  await expect(bar).toHaveAttribute("aria-valuetext", /percent left/);
  const left = () =>
    bar.evaluate((element) => Number(getComputedStyle(element).getPropertyValue("--left")));
  const before = await left();
  await expect.poll(left).toBeLessThan(before);
});

test("renewing now brings another token and a line in the log", async ({ page }) => {
  const before = await page.getByTestId("token").textContent();
  await page.getByRole("button", { name: "Renew now" }).click();
  await expect(page.getByText("Renewed on request.")).toBeVisible();
  await expect(page.getByTestId("renewals")).toHaveText("1");
  await expect(page.getByTestId("token")).not.toHaveText(before ?? "");
  await expect(page.getByText("new token, good until")).toHaveCount(1);
});

test("an untouched copy is good, in the page and at the server", async ({ page }) => {
  await expect(page.getByTestId("page-verdict")).toContainText("Verified");
  await page.getByRole("button", { name: "Send it to the server" }).click();
  await expect(page.getByTestId("server-verdict")).toContainText("Accepted: you are USER.");
});

test("a copy that claims to be signed with HS256 is refused: this server has public keys", async ({
  page,
}) => {
  const editor = page.getByLabel("Or edit it freely");
  const [header = "", ...rest] = (await editor.inputValue()).split(".");
  const forged = { ...JSON.parse(Buffer.from(header, "base64url").toString()), alg: "HS256" };
  await editor.fill([Buffer.from(JSON.stringify(forged)).toString("base64url"), ...rest].join("."));
  await expect(page.getByTestId("page-verdict")).toContainText("Refused");
});

test("a copy whose time is over does not stay verified", async ({ page }) => {
  await page.clock.install();
  await page.reload();
  const verdict = page.getByTestId("page-verdict");
  await expect(verdict).toContainText("Verified");
  await page.clock.fastForward("16:00");
  await expect(verdict).toContainText("TOKEN_EXPIRED");
});

for (const trick of [
  "Change the role",
  "Live a year longer",
  "Flip a signature character",
  "Set alg to none",
]) {
  test(`a tampered token is refused: ${trick}`, async ({ page }) => {
    const editor = page.getByLabel("Or edit it freely");
    const before = await editor.inputValue();
    await page.getByRole("button", { name: trick }).click();
    await expect(editor).not.toHaveValue(before);
    await expectRefusal(page);
    await page.getByRole("button", { name: "Start over" }).click();
    await expect(page.getByTestId("page-verdict")).toContainText("Verified");
  });
}

test("a token that is edited by hand is refused, and nobody is signed out by it", async ({
  page,
}) => {
  await page.getByLabel("Or edit it freely").fill("this is no token at all");
  await expectRefusal(page);
  await page.getByRole("link", { name: "Account" }).click();
  await expect(page.getByRole("heading", { name: "Your account" })).toBeVisible();
});

async function expectRefusal(page: Page) {
  await expect(page.getByTestId("page-verdict")).toContainText("Refused");
  await expect(page.getByTestId("page-verdict")).toContainText("TOKEN_INVALID");
  await page.getByRole("button", { name: "Send it to the server" }).click();
  await expect(page.getByTestId("server-verdict")).toContainText("Refused");
  await expect(page.getByTestId("server-verdict")).toContainText("TOKEN_INVALID");
}

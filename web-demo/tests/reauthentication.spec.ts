import type { Page } from "@playwright/test";
import type { Person, Server } from "./support/server.ts";
import { expect, signIn, test, tokenOf } from "./support/test.ts";

test.use({ settings: { COUNTERSIGN_SESSIONS__FRESH_AUTH: "2s" } });

/** Waits until the server wants the password again for what is sensitive. */
async function outliveFreshness(page: Page, server: Server, taken: Person) {
  const token = await tokenOf(page);
  const mutation = `mutation { updateProfile(input: { email: "${taken.email}" }) { id } }`;
  await expect
    .poll(() => server.refusal(token, mutation), { timeout: 20_000 })
    .toBe("REAUTHENTICATION_REQUIRED");
}

test("a new address needs the password once the sign-in is old, and is then saved", async ({
  page,
  server,
}) => {
  const taken = await server.createPerson();
  const person = await server.createPerson();
  await signIn(page, person);
  await outliveFreshness(page, server, taken);
  await page.getByRole("link", { name: "Account" }).click();
  await page.getByLabel("E-mail").fill("moved-late@example.com");
  await page.getByRole("button", { name: "Save" }).last().click();

  const dialog = page.getByRole("dialog", { name: "Is it still you?" });
  await expect(dialog.getByLabel("Your password", { exact: true })).toBeFocused();
  await dialog.getByLabel("Your password", { exact: true }).fill("certainly not this one");
  await page.keyboard.press("Enter");
  await expect(dialog.getByLabel("Your password", { exact: true })).toHaveAccessibleDescription(
    "This is not your password.",
  );
  await dialog.getByLabel("Your password", { exact: true }).fill(person.password);
  await page.keyboard.press("Enter");
  await expect(dialog).toHaveCount(0);
  await expect(page.getByText("Saved.")).toBeVisible();
  await expect(page.getByRole("main")).toContainText("moved-late@example.com");
});

test("whoever does not give the password changes nothing, and is told so", async ({
  page,
  server,
}) => {
  const other = await server.createPerson("USER", "Ulla Unchanged");
  await signIn(page, await server.createPerson("ADMIN", "Ada Admin"));
  await outliveFreshness(page, server, other);
  await page.getByRole("link", { name: "People" }).click();
  await page.getByRole("link", { name: "Ulla Unchanged" }).click();
  await page.getByLabel("Role").selectOption("ADMIN");
  await page.getByRole("button", { name: "Save role" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
  await expect(page.getByRole("alert")).toContainText("Nothing was changed.");
  await expect(page.getByRole("button", { name: "Save role" })).toBeFocused();
  await expect(page.getByRole("region", { name: "Account" })).toContainText("USER");
});

test("an administrator's act is repeated once the password is proven", async ({ page, server }) => {
  const other = await server.createPerson("USER", "Dirk Disabled");
  const admin = await server.createPerson("ADMIN", "Ada Admin");
  await signIn(page, admin);
  await outliveFreshness(page, server, other);
  await page.getByRole("link", { name: "People" }).click();
  await page.getByRole("link", { name: "Dirk Disabled" }).click();
  await page.getByRole("button", { name: "Switch off" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Switch off" }).click();
  await page.getByLabel("Your password", { exact: true }).fill(admin.password);
  await page.getByRole("button", { name: "Continue" }).click();
  await expect(page.getByText("Switched off, and signed out everywhere.")).toBeVisible();
  await expect(page.getByRole("dialog")).toHaveCount(0);
  await expect(page.locator(".done")).toBeFocused();
});

import type { Page } from "@playwright/test";
import { expect, markWindow, signIn, test, tokenOf, whenSaid } from "./support/test.ts";

/** Opens the page of the person with this name. */
async function openPerson(page: Page, name: string) {
  await page.getByRole("link", { name: "People" }).click();
  await page.getByRole("link", { name, exact: true }).click();
  await expect(page.getByRole("heading", { name: "Administration" })).toBeVisible();
}

const main = (page: Page) => page.getByRole("navigation", { name: "Main" });

test("a new role reaches the other browser at once, with no sign-out and no reload, there and back", async ({
  page,
  server,
  another,
}) => {
  const other = await another();
  await signIn(other, await server.createPerson("USER", "Rosa Roles"));
  await other.getByRole("link", { name: "Account" }).click();
  await expect(other.getByRole("heading", { name: "Rosa Roles" })).toBeVisible();
  await expect(main(other)).not.toContainText("People");
  const isStillThere = await markWindow(other);

  await signIn(page, await server.createPerson("ADMIN", "Ada Admin"));
  await openPerson(page, "Rosa Roles");
  await page.getByLabel("Role").selectOption("MANAGER");
  const saidThere = whenSaid(other, "Your role is now MANAGER");
  const answered = page.waitForResponse("**/graphql");
  await page.getByRole("button", { name: "Save role" }).click();
  const asked = (await answered).request().timing().startTime;
  await expect(main(other).getByRole("link", { name: "People" })).toBeVisible();
  process.stdout.write(
    `    the other page changed after ${Math.round((await saidThere) - asked)} ms\n`,
  );
  await expect(other.getByText("Your role is now MANAGER")).toBeVisible();
  await expect(other.getByRole("region", { name: "Rosa Roles" })).toContainText("MANAGER");
  await other.getByRole("link", { name: "People" }).click();
  await expect(other.getByRole("table")).toBeVisible();

  await page.getByLabel("Role").selectOption("USER");
  await page.getByRole("button", { name: "Save role" }).click();
  await expect(
    other.getByRole("heading", { name: "This page needs the role MANAGER" }),
  ).toBeVisible();
  await expect(main(other)).not.toContainText("People");
  await expect(other.getByText("Your role is now USER")).toBeVisible();
  await other.getByRole("button", { name: "OK" }).click();
  await expect(other.getByText("Your role is now")).toHaveCount(0);
  expect(await isStillThere()).toBe(true);
});

test("an account that is switched off is signed out at once, cannot sign in, and can again when it is switched on", async ({
  page,
  server,
  another,
}) => {
  const person = await server.createPerson("USER", "Otto Off");
  const other = await another();
  await signIn(other, person);
  await signIn(page, await server.createPerson("ADMIN", "Ada Admin"));
  await openPerson(page, "Otto Off");
  await page.getByRole("button", { name: "Switch off" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Switch off" }).click();
  await expect(page.getByText("Switched off, and signed out everywhere.")).toBeVisible();
  await expect(page.getByRole("region", { name: "Account" })).toContainText("Switched off");
  await expect(page.getByRole("list", { name: "Events" })).toContainText("Account switched off");
  await expect(page.getByRole("list", { name: "Events" })).toContainText("by Ada Admin");

  const words = "This account has been switched off. Please talk to an administrator.";
  await expect(other.getByText(words)).toBeVisible();
  await other.getByLabel("E-mail").fill(person.email);
  await other.getByLabel("Password", { exact: true }).fill(person.password);
  const answered = other.waitForResponse("**/graphql");
  await other.getByRole("button", { name: "Sign in", exact: true }).click();
  await answered;
  await expect(other.getByRole("alert")).toHaveText(words);

  await page.getByRole("button", { name: "Switch on" }).click();
  await expect(page.getByText("Switched on again.")).toBeVisible();
  await signIn(other, person);
});

test("an administrator ends all of somebody's sessions", async ({ page, server, another }) => {
  const person = await server.createPerson("USER", "Sven Sessions");
  await server.signIn(person);
  const other = await another();
  await signIn(other, person);
  const token = await tokenOf(other);
  await signIn(page, await server.createPerson("ADMIN", "Ada Admin"));
  await openPerson(page, "Sven Sessions");
  await page.getByRole("button", { name: "End all sessions" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "End all sessions" }).click();
  await expect(page.getByText("2 sessions ended.")).toBeVisible();
  expect(await server.refusal(token)).toBe("SESSION_ENDED");
  await expect(other.getByText("An administrator ended your session.")).toBeVisible();
});

test("a deleted account is gone, and its trail stays", async ({ page, server, another }) => {
  const person = await server.createPerson("USER", "Dora Deleted");
  const other = await another();
  await signIn(other, person);
  await signIn(page, await server.createPerson("ADMIN", "Ada Admin"));
  await openPerson(page, "Dora Deleted");
  await page.getByRole("button", { name: "Delete" }).click();
  await page.getByRole("button", { name: "Delete for good" }).click();
  await expect(page.getByText("Dora Deleted was deleted.")).toBeVisible();
  await expect(page.getByRole("heading", { level: 1, name: "People" })).toBeFocused();
  await expect(page.getByRole("table")).not.toContainText("Dora Deleted");
  await expect(other.getByText("This account has been deleted.")).toBeVisible();
  await page.getByRole("link", { name: "Audit" }).click();
  await page.getByRole("combobox", { name: "Event" }).selectOption("Account deleted");
  await expect(page.getByRole("list", { name: "Events" })).toContainText("a deleted account");
});

test("administrators cannot change their own account here, and are told why", async ({
  page,
  server,
}) => {
  await signIn(page, await server.createPerson("ADMIN", "Olga Own"));
  await openPerson(page, "Olga Own");
  await expect(page.getByText("This is your own account")).toBeVisible();
  for (const name of ["Save role", "Switch off", "End all sessions", "Delete"])
    await expect(page.getByRole("button", { name })).toBeDisabled();
});

test("a MANAGER sees a person and no controls", async ({ page, server }) => {
  const person = await server.createPerson("USER", "Pia Person");
  await signIn(page, await server.createPerson("MANAGER", "Max Manager"));
  await page.getByRole("link", { name: "People" }).click();
  await page.getByRole("link", { name: "Pia Person" }).click();
  await expect(page.getByRole("region", { name: "Account" })).toContainText(person.email);
  await expect(page.getByRole("button", { name: "Delete" })).toHaveCount(0);
  await page.goto("/people/00000000-0000-7000-8000-000000000000");
  await expect(page.getByText("There is no such account.")).toBeVisible();
});

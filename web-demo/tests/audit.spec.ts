import type { Page } from "@playwright/test";
import { expect, signIn, test } from "./support/test.ts";

const events = (page: Page) => page.getByRole("list", { name: "Events" }).locator(".event");

/** The ids of the events in view, in their order. */
const idsOf = (page: Page) =>
  events(page).evaluateAll((rows) => rows.map((row) => (row as HTMLElement).dataset.id));

test("people see what happened to their own account, and nothing of others", async ({
  page,
  server,
}) => {
  const stranger = await server.createPerson("USER", "Sam Stranger");
  await server.signIn(stranger);
  await signIn(page, await server.createPerson());
  await page.getByRole("link", { name: "Audit" }).click();
  await expect(events(page).first()).toContainText("Signed in");
  await expect(events(page).first()).toContainText("Chrome");
  await expect(events(page).first()).toContainText("127.0.0.1");
  await expect(page.getByLabel("Person")).toHaveCount(0);
  await expect(page.getByRole("list", { name: "Events" })).not.toContainText("Sam Stranger");
});

test("an ADMIN filters by kind and by person, and the address keeps it", async ({
  page,
  server,
}) => {
  const person = await server.createPerson("USER", "Fritz Filter");
  await server.signIn(person);
  await signIn(page, await server.createPerson("ADMIN", "Ada Admin"));
  await page.getByRole("link", { name: "Audit" }).click();
  await page.getByRole("combobox", { name: "Event" }).selectOption("Signed in");
  await expect(events(page).filter({ hasText: "Fritz Filter" })).toHaveCount(1);
  await expect(events(page).filter({ hasNotText: "Signed in" })).toHaveCount(0);

  await page.getByLabel("Person").fill(person.email);
  await expect(page.getByText("Only Fritz Filter")).toBeVisible();
  await expect(events(page)).toHaveCount(1);
  await page.reload();
  await expect(page.getByText("Only Fritz Filter")).toBeVisible();
  await expect(events(page)).toHaveCount(1);
  await page.getByRole("combobox", { name: "Event" }).selectOption("Password changed");
  await expect(page.getByText("Nothing has happened that fits.")).toBeVisible();
  await page.getByRole("button", { name: "Show everybody" }).click();
  await page.getByRole("combobox", { name: "Event" }).selectOption("Signed in");
  await page.getByRole("link", { name: "Fritz Filter" }).click();
  await expect(page.getByText("Only Fritz Filter")).toBeVisible();
});

test("pages follow each other without a gap or a repeat while events arrive", async ({
  page,
  server,
}) => {
  const person = await server.createPerson("ADMIN", "Paula Pages");
  for (let count = 0; count < 30; count += 1) await server.signIn(person);
  await signIn(page, person);
  await page.getByRole("link", { name: "Audit" }).click();
  await page.getByLabel("Person").fill(person.email);
  await expect(page.getByText("Only Paula Pages")).toBeVisible();
  await expect(events(page)).toHaveCount(20);
  const first = await idsOf(page);

  for (let count = 0; count < 3; count += 1) await server.signIn(person);
  await page.getByRole("button", { name: "Load more" }).click();
  // 31 sign-ins and the creation of the account; what came after the first page was read is not in it.
  await expect(events(page)).toHaveCount(32);
  await expect(page.getByRole("button", { name: "Load more" })).toHaveCount(0);
  const all = await idsOf(page);
  expect(all.slice(0, 20)).toEqual(first);
  expect(new Set(all).size).toBe(32);
  await expect(events(page).last()).toContainText("Account created");

  await page.reload();
  await expect(events(page)).toHaveCount(20);
  await page.getByRole("button", { name: "Load more" }).click();
  await expect(events(page)).toHaveCount(35);
  expect((await idsOf(page)).slice(3)).toEqual(all);
});

import { expect, signIn, test } from "./support/test.ts";

const NAMES = [
  "Ana",
  "Ben",
  "Cleo",
  "Dan",
  "Eva",
  "Finn",
  "Gita",
  "Hugo",
  "Ines",
  "Jan",
  "Kai",
  "Lea",
];

test.beforeAll(async ({ server }) => {
  for (const name of NAMES) await server.createPerson("USER", `${name} Example`);
  await server.createPerson("MANAGER", "Mia Manager");
});

test("a USER is told what the page needs, and is not led there", async ({ page, server }) => {
  await signIn(page, await server.createPerson("USER", "Uma User"));
  await expect(page.getByRole("navigation", { name: "Main" })).not.toContainText("People");
  await page.goto("/people");
  await expect(
    page.getByRole("heading", { name: "This page needs the role MANAGER" }),
  ).toBeVisible();
  await expect(page.getByRole("table")).toHaveCount(0);
});

test("an ADMIN pages through everybody, there and back", async ({ page, server }) => {
  await signIn(page, await server.createPerson("ADMIN", "Ada Admin"));
  await page.getByRole("link", { name: "People" }).click();
  const rows = page.getByRole("table").locator("tbody tr");
  await expect(rows).toHaveCount(10);
  const first = await rows.allInnerTexts();
  const everybody = [...first];
  const next = page.getByRole("button", { name: "Next" });
  let pages = 1;
  while (await next.isEnabled()) {
    await next.click();
    pages += 1;
    await expect(page.getByText(`Page ${pages}`)).toBeVisible();
    everybody.push(...(await rows.allInnerTexts()));
  }
  expect(new Set(everybody).size).toBe(everybody.length);
  for (const name of NAMES) expect(everybody.join()).toContain(`${name} Example`);
  while (pages > 1) {
    await page.getByRole("button", { name: "Previous" }).click();
    pages -= 1;
    await expect(page.getByText(`Page ${pages}`)).toBeVisible();
  }
  await expect(page.getByRole("button", { name: "Previous" })).toBeDisabled();
  expect(await rows.allInnerTexts()).toEqual(first);
});

test("a MANAGER searches and filters, and the address keeps it", async ({ page, server }) => {
  await signIn(page, await server.createPerson("MANAGER", "Max Manager"));
  await page.getByRole("link", { name: "People" }).click();
  const rows = page.getByRole("table").locator("tbody tr");
  await page.getByLabel("Search").fill("cLeO");
  await expect(rows).toHaveCount(1);
  await expect(rows.first()).toContainText("Cleo Example");
  await page.reload();
  await expect(rows).toHaveCount(1);
  await page.getByLabel("Role").selectOption("MANAGER");
  await expect(page.getByText("Nobody matches")).toBeVisible();
  await page.getByLabel("Search").fill("");
  await expect(rows.first()).toBeVisible();
  for (const row of await rows.allInnerTexts()) expect(row).toContain("MANAGER");
});

import AxeBuilder from "@axe-core/playwright";
import type { Page } from "@playwright/test";
import { expect, signIn, test } from "./support/test.ts";

/** The methods of the requests that ask for a strength, as they are sent. */
async function methodsOfRequests(page: Page): Promise<string[]> {
  const methods: string[] = [];
  await page.route("**/graphql*", (route) => {
    const request = route.request();
    const isAsking = `${request.url()} ${request.postData()}`.includes("PasswordStrength");
    if (isAsking) methods.push(request.method());
    return route.continue();
  });
  return methods;
}

test("the form for a new account says how strong the password is", async ({ page }) => {
  const asked = await methodsOfRequests(page);
  await page.goto("/register");
  const meter = page.locator("form").getByRole("status");
  const password = page.getByLabel("Password", { exact: true });
  await page.getByLabel("Name").fill("Ana Velasquez");
  await page.getByLabel("E-mail").fill("ana.velasquez@example.com");
  await password.fill("velasquez2024");
  await expect(meter).toContainText("Weak. Your own name or address is easy to guess.");
  await expect(meter.getByRole("listitem").first()).toHaveText(
    "Add another word or two. Uncommon words are better.",
  );
  await password.fill("short");
  await expect(meter).toContainText("needs at least 8 characters");
  await password.fill("plum tractor ninety seven");
  await expect(meter).toHaveText("Very strong.");
  const found = await new AxeBuilder({ page }).include("form").analyze();
  expect(found.violations).toEqual([]);
  await password.fill("");
  await expect(meter).toBeEmpty();
  expect(new Set(asked)).toEqual(new Set(["POST"]));
  expect(page.url()).not.toContain("velasquez");
});

test("a burst of typing asks once", async ({ page }) => {
  const asked = await methodsOfRequests(page);
  await page.goto("/register");
  await page
    .getByLabel("Password", { exact: true })
    .pressSequentially("plum tractor", { delay: 5 });
  await expect(page.locator("form").getByRole("status")).toContainText(/weak|strong/i);
  // One for each letter would be twelve.
  expect(asked.length).toBeGreaterThan(0);
  expect(asked.length).toBeLessThan(4);
});

test("a new password for an account is held against its name and address", async ({
  page,
  server,
}) => {
  const person = await server.createPerson();
  await signIn(page, person);
  await page.goto("/account");
  await page.getByLabel("New password", { exact: true }).fill(person.email);
  const form = page.locator("form", { has: page.getByRole("heading", { name: "Change your" }) });
  await expect(form.getByRole("status")).toContainText("Your own name or address");
});

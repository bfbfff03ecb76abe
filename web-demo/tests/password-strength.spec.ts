import AxeBuilder from "@axe-core/playwright";
import { expect, signIn, test } from "./support/test.ts";

test("the form for a new account says how strong the password is", async ({ page }) => {
  const asked: string[] = [];
  page.on("request", (request) => {
    if (request.postData()?.includes("PasswordStrength")) asked.push(request.method());
  });
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
  let asked = 0;
  page.on("request", (request) => {
    if (request.postData()?.includes("PasswordStrength")) asked += 1;
  });
  await page.goto("/register");
  await page
    .getByLabel("Password", { exact: true })
    .pressSequentially("plum tractor", { delay: 5 });
  await expect(page.locator("form").getByRole("status")).toContainText(/weak|strong/i);
  expect(asked).toBeLessThan(4);
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

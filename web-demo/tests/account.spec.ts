import { expect, signIn, test } from "./support/test.ts";

test("a new name is saved and seen everywhere, also after a reload", async ({ page, server }) => {
  await signIn(page, await server.createPerson());
  await page.getByRole("link", { name: "Account" }).click();
  await page.getByLabel("Name").fill("Ada King");
  await page.getByRole("button", { name: "Save" }).first().click();
  await expect(page.getByText("Saved.")).toBeVisible();
  await expect(page.getByRole("banner")).toContainText("Ada King");
  await page.reload();
  await expect(page.getByRole("heading", { name: "Ada King" })).toBeVisible();
});

test("a new address is saved while the sign-in is fresh", async ({ page, server }) => {
  await signIn(page, await server.createPerson());
  await page.getByRole("link", { name: "Account" }).click();
  await page.getByLabel("E-mail").fill("moved@example.com");
  await page.getByRole("button", { name: "Save" }).last().click();
  await expect(page.getByText("Saved.")).toBeVisible();
  await expect(page.getByRole("main")).toContainText("moved@example.com");
});

test("an address that somebody has is refused at the field", async ({ page, server }) => {
  const other = await server.createPerson();
  await signIn(page, await server.createPerson());
  await page.getByRole("link", { name: "Account" }).click();
  await page.getByLabel("E-mail").fill(other.email);
  await page.getByRole("button", { name: "Save" }).last().click();
  await expect(page.getByLabel("E-mail")).toHaveAccessibleDescription(/already has an account/);
});

test("an account that is opened while the network is down appears when it is back", async ({
  page,
  server,
  context,
  tolerate,
}) => {
  tolerate(/ERR_INTERNET_DISCONNECTED/);
  await signIn(page, await server.createPerson());
  await context.setOffline(true);
  await page.getByRole("link", { name: "Account" }).click();
  await expect(page.getByRole("alert")).toContainText("The server cannot be reached");
  await context.setOffline(false);
  await expect(page.getByRole("heading", { name: "Change your name" })).toBeVisible();
  await expect(page.getByRole("alert")).toHaveCount(0);
});

test("a query that failed is asked again by a button", async ({ page, server, tolerate }) => {
  tolerate(/status of 503/);
  await signIn(page, await server.createPerson());
  await page.route("**/graphql", (route) => route.fulfill({ status: 503 }), { times: 1 });
  await page.getByRole("link", { name: "Account" }).click();
  await page.getByRole("button", { name: "Try again" }).click();
  await expect(page.getByRole("heading", { name: "Change your name" })).toBeVisible();
});

test("signing out in another tab signs this one out, with what was typed and all", async ({
  page,
  server,
  context,
}) => {
  await signIn(page, await server.createPerson());
  await page.getByRole("link", { name: "Account" }).click();
  await page.getByLabel("Name").fill("Ada King");
  const other = await context.newPage();
  await other.goto("/account");
  await other.getByRole("button", { name: "Sign out" }).click();
  await expect(other.getByText("You have signed out.")).toBeVisible();
  await expect(page.getByText("You have signed out in another tab.")).toBeVisible();
  await expect(page.getByRole("heading", { level: 1, name: "Sign in" })).toBeVisible();
  await expect(page.getByRole("banner").getByRole("button", { name: "Sign out" })).toHaveCount(0);
});

test("a new password signs the other devices out, and only it signs in from then on", async ({
  page,
  server,
  another,
}) => {
  const person = await server.createPerson();
  const other = await another();
  await signIn(other, person);
  await signIn(page, person);
  await page.getByRole("link", { name: "Account" }).click();
  const current = page.getByLabel("Current password", { exact: true });
  const next = page.getByLabel("New password", { exact: true });
  const change = page.getByRole("button", { name: "Change password" });
  await expect(page.getByText("8 to 256 characters")).toBeVisible();

  await change.click();
  await expect(current).toBeFocused();
  await expect(next).toHaveAccessibleDescription(/Please choose a password/);
  await current.fill("certainly not this one");
  await next.fill("password123");
  await change.click();
  await expect(page.locator("[aria-invalid='true']")).toHaveCount(1);
  await current.fill("certainly not this one");
  await next.fill("nanosecond wire compiler 1952");
  await change.click();
  await expect(current).toHaveAccessibleDescription("This is not your password.");
  await current.fill(person.password);
  await change.click();
  await expect(page.getByText("every other device has been signed out")).toBeVisible();
  await expect(current).toHaveValue("");
  await expect(other.getByText("Your password was changed on another device")).toBeVisible();

  await page.getByLabel("Name").fill("Ada King");
  await page.getByRole("button", { name: "Save" }).first().click();
  await expect(page.getByText("Saved.")).toBeVisible();
  await signIn(other, { ...person, password: "nanosecond wire compiler 1952" });
});

test("an account is deleted by its password, on every device", async ({
  page,
  server,
  another,
}) => {
  const person = await server.createPerson();
  const other = await another();
  await signIn(other, person);
  await signIn(page, person);
  await page.getByRole("link", { name: "Account" }).click();
  const open = page.getByRole("button", { name: "Delete account…" });
  const password = page.getByLabel("Your password", { exact: true });
  await open.click();
  await expect(password).toBeFocused();
  await page.keyboard.press("Escape");
  await expect(open).toBeFocused();
  await open.click();
  await password.fill("certainly not this one");
  await page.getByRole("button", { name: "Delete my account" }).click();
  await expect(password).toHaveAccessibleDescription("This is not your password.");
  await password.fill(person.password);
  await page.getByRole("button", { name: "Delete my account" }).click();
  for (const each of [page, other])
    await expect(each.getByText("This account has been deleted.")).toBeVisible();
  await page.getByLabel("E-mail").fill(person.email);
  await page.getByLabel("Password", { exact: true }).fill(person.password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await expect(page.getByRole("alert")).toHaveText("The e-mail address or the password is wrong.");
});

test("the last administrator cannot delete their account", async ({ page, server }) => {
  // The only one in this file, whose tests share a database.
  const last = await server.createPerson("ADMIN", "Lena Last");
  await signIn(page, last);
  await page.getByRole("link", { name: "Account" }).click();
  await page.getByRole("button", { name: "Delete account…" }).click();
  await page.getByLabel("Your password", { exact: true }).fill(last.password);
  await page.getByRole("button", { name: "Delete my account" }).click();
  await expect(page.getByRole("dialog").getByRole("alert")).toContainText("only administrator");
});

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

test("a session that was ended in another tab is signed out here by the next click", async ({
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
  await page.getByRole("button", { name: "Save" }).first().click();
  await expect(page.getByRole("heading", { level: 1, name: "Sign in" })).toBeVisible();
  // The tab learns it from the other tab's note or from the server, whichever it meets first.
  const why = /You have signed out\.|You are no longer signed in on this device\./;
  await expect(page.getByText(why)).toBeVisible();
  await expect(page.getByRole("banner").getByRole("button", { name: "Sign out" })).toHaveCount(0);
});

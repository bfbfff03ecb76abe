import { expect, markWindow, signIn, test, tokenOf, whenSaid } from "./support/test.ts";

test("ending a session signs that browser out at once, with no reload, and its token is refused", async ({
  page,
  server,
  another,
}) => {
  const person = await server.createPerson();
  await signIn(page, person);
  const other = await another();
  await signIn(other, person);
  const isStillThere = await markWindow(other);
  const token = await tokenOf(other);
  expect(await server.refusal(token)).toBeUndefined();

  await page.getByRole("link", { name: "Sessions" }).click();
  const sessions = page.getByRole("list", { name: "Sessions" });
  await expect(sessions.getByRole("listitem")).toHaveCount(2);
  await sessions.getByRole("button", { name: "End Chrome on Windows" }).click();
  const saidThere = whenSaid(other, "You ended this session from another device.");
  const answered = page.waitForResponse("**/graphql");
  await page.getByRole("button", { name: "End session" }).click();
  const asked = (await answered).request().timing().startTime;
  expect(await server.refusal(token)).toBe("SESSION_ENDED");
  await expect(other.getByText("You ended this session from another device.")).toBeVisible();
  process.stdout.write(`    signed out there after ${Math.round((await saidThere) - asked)} ms\n`);
  expect(await isStillThere()).toBe(true);

  await expect(sessions.getByRole("listitem")).toHaveCount(1);
  await expect(page.getByText("Chrome on Windows was signed out.")).toBeVisible();
  await expect(page.getByText("You are signed in nowhere else.")).toBeVisible();

  await other.getByLabel("E-mail").fill(person.email);
  await other.getByLabel("Password", { exact: true }).fill(person.password);
  await other.getByRole("button", { name: "Sign in", exact: true }).click();
  await expect(other.getByRole("heading", { name: "Your token" })).toBeVisible();
  expect(await isStillThere()).toBe(true);
});

test("a public page says that the session was ended, and leads back in", async ({
  page,
  server,
  another,
}) => {
  const person = await server.createPerson();
  await signIn(page, person);
  await page.getByRole("link", { name: "Overview" }).click();
  const other = await another();
  await signIn(other, person);
  await other.getByRole("link", { name: "Sessions" }).click();
  await other.getByRole("button", { name: "Sign out everywhere" }).click();
  await other.getByRole("dialog").getByRole("button", { name: "Sign out everywhere" }).click();
  const words = "You have signed out on all your devices.";
  await expect(other.getByText(words)).toBeVisible();
  await expect(page.getByText(words)).toBeVisible();
  await expect(page.getByRole("link", { name: "Create an account" })).toBeVisible();
  await page.getByRole("link", { name: "Sign in again" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Sign in" })).toBeVisible();
});

test("all other sessions end together, and this one stays", async ({ page, server, another }) => {
  const person = await server.createPerson();
  const other = await another();
  await signIn(other, person);
  await server.signIn(person);
  await signIn(page, person);
  await page.getByRole("link", { name: "Sessions" }).click();
  const rows = page.getByRole("list", { name: "Sessions" }).getByRole("listitem");
  await expect(rows).toHaveCount(3);
  await page.getByRole("button", { name: "End all others" }).click();
  await expect(page.getByRole("dialog", { name: "End 2 other sessions?" })).toBeVisible();
  await page.getByRole("button", { name: "End them" }).click();
  await expect(rows).toHaveCount(1);
  await expect(rows).toContainText("This device");
  await expect(page.getByText("2 other sessions ended.")).toBeVisible();
  await expect(other.getByRole("heading", { level: 1, name: "Sign in" })).toBeVisible();
});

test("a sign-in on another device shows as soon as the reader comes back to the list", async ({
  page,
  server,
}) => {
  const person = await server.createPerson();
  await signIn(page, person);
  await page.getByRole("link", { name: "Sessions" }).click();
  const rows = page.getByRole("list", { name: "Sessions" }).getByRole("listitem");
  await expect(rows).toHaveCount(1);
  await server.signIn(person);
  await page.evaluate(() => window.dispatchEvent(new Event("focus")));
  await expect(rows).toHaveCount(2);
});

test("a dialog is left by the keyboard, and gives the focus back", async ({ page, server }) => {
  const person = await server.createPerson();
  await server.signIn(person);
  await signIn(page, person);
  await page.getByRole("link", { name: "Sessions" }).click();
  const end = page.getByRole("button", { name: "End curl" });
  await end.focus();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("button", { name: "Cancel" })).toBeFocused();
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog")).toHaveCount(0);
  await expect(end).toBeFocused();

  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  // The button has gone with its session: what was done has the focus now.
  await expect(page.getByText("curl was signed out.")).toBeVisible();
  await expect(page.locator(".done")).toBeFocused();
});

test("a session that cannot be ended says why, and the others stay in view", async ({
  page,
  server,
  tolerate,
}) => {
  tolerate(/status of 503/);
  const person = await server.createPerson();
  await server.signIn(person);
  await signIn(page, person);
  await page.getByRole("link", { name: "Sessions" }).click();
  await page.getByRole("button", { name: "End curl" }).click();
  await page.route("**/graphql", (route) =>
    route.request().postData()?.includes("RevokeSession")
      ? route.fulfill({ status: 503 })
      : route.continue(),
  );
  await page.getByRole("button", { name: "End session" }).click();
  await expect(page.getByRole("dialog").getByRole("alert")).toBeVisible();
  await page.getByRole("button", { name: "Cancel" }).click();
  await expect(page.getByRole("list", { name: "Sessions" }).getByRole("listitem")).toHaveCount(2);
});

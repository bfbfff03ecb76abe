import { expect, signIn, test } from "./support/test.ts";

test("somebody registers and is signed in at once", async ({ page }) => {
  await page.goto("/");
  await page.getByRole("link", { name: "Create an account" }).click();
  await expect(page.getByText("8 to 256 characters")).toBeVisible();
  await page.getByLabel("Name").fill("Grace Hopper");
  await page.getByLabel("E-mail").fill("grace@example.com");
  await page.getByLabel("Password", { exact: true }).fill("nanosecond wire compiler 1952");
  await page.getByRole("button", { name: "Create account" }).click();
  await expect(page.getByRole("heading", { name: "Your token" })).toBeFocused();
  await expect(page.getByRole("banner")).toContainText("Grace Hopper");
  await expect(page.getByRole("banner")).toContainText("USER");
});

test("somebody signs in, and out again", async ({ page, server }) => {
  await signIn(page, await server.createPerson());
  await page.getByRole("button", { name: "Sign out" }).click();
  await expect(page.getByText("You have signed out.")).toBeVisible();
  await page.reload();
  await expect(page.getByRole("link", { name: "Sign in" })).toBeVisible();
  await page.goto("/account");
  await expect(page.getByText("Please sign in to see that page.")).toBeVisible();
});

test("signing in leads back to the page that asked for it", async ({ page, server }) => {
  const person = await server.createPerson();
  await page.goto("/account");
  await page.getByLabel("E-mail").fill(person.email);
  await page.getByLabel("Password", { exact: true }).fill(person.password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await expect(page.getByRole("heading", { name: "Your account" })).toBeVisible();
});

test("a wrong password and an unknown address get the same words", async ({ page, server }) => {
  const person = await server.createPerson();
  await page.goto("/sign-in");
  const words: (string | null)[] = [];
  for (const email of [person.email, "nobody@example.com"]) {
    await page.getByLabel("E-mail").fill(email);
    await page.getByLabel("Password", { exact: true }).fill("certainly not this one");
    const answered = page.waitForResponse("**/graphql");
    await page.getByRole("button", { name: "Sign in", exact: true }).click();
    await answered;
    words.push(await page.getByRole("alert").textContent());
  }
  expect(words[0]).toBe("The e-mail address or the password is wrong.");
  expect(words[1]).toBe(words[0]);
});

test("problems are told at their field, and the first of them gets the focus", async ({ page }) => {
  await page.goto("/register");
  await expect(page.getByText("8 to 256 characters")).toBeVisible();
  await page.getByRole("button", { name: "Create account" }).click();
  await expect(page.getByLabel("Name")).toBeFocused();
  await expect(page.getByLabel("Name")).toHaveAccessibleDescription("Please give your name.");

  await page.getByLabel("Name").fill("Ana");
  await page.getByLabel("E-mail").fill("not-an-address");
  await page.getByLabel("Password", { exact: true }).fill("short");
  await page.getByRole("button", { name: "Create account" }).click();
  const password = page.getByLabel("Password", { exact: true });
  await expect(password).toBeFocused();
  await expect(password).toHaveAccessibleDescription(/at least 8 characters; this has 5/);

  await password.fill("violet tractor melody 47");
  await page.getByRole("button", { name: "Create account" }).click();
  await expect(page.getByLabel("E-mail")).toBeFocused();
  await expect(page.getByLabel("E-mail")).toHaveAttribute("aria-invalid", "true");
  await expect(page.getByLabel("E-mail")).toHaveAccessibleDescription(/not an e-mail address/);
});

test("what only the server can know is told at its field too", async ({ page, server }) => {
  const person = await server.createPerson();
  await page.goto("/register");
  await page.getByLabel("Name").fill("Ana");
  await page.getByLabel("E-mail").fill(person.email);
  await page.getByLabel("Password", { exact: true }).fill("password123");
  await page.getByRole("button", { name: "Create account" }).click();
  await expect(page.getByLabel("Password", { exact: true })).toHaveAccessibleDescription(
    /too easy to guess/,
  );
  await page.getByLabel("Password", { exact: true }).fill("violet tractor melody 47");
  await page.getByRole("button", { name: "Create account" }).click();
  await expect(page.getByLabel("E-mail")).toHaveAccessibleDescription(/already has an account/);
});

test("a password can be shown, and the fields say what they are to password managers", async ({
  page,
}) => {
  await page.goto("/sign-in");
  const password = page.getByLabel("Password", { exact: true });
  await expect(password).toHaveAttribute("autocomplete", "current-password");
  await expect(page.getByLabel("E-mail")).toHaveAttribute("autocomplete", "username");
  await expect(password).toHaveAttribute("type", "password");
  await page.getByRole("button", { name: "Show password" }).click();
  await expect(password).toHaveAttribute("type", "text");
});

test("a reload keeps the session, and shows nothing else on the way", async ({ page, server }) => {
  await signIn(page, await server.createPerson());
  await page.addInitScript(() => {
    new MutationObserver(() => {
      const { pathname } = location;
      const heading = document.querySelector("h1")?.textContent;
      if (pathname !== "/token" || (heading && heading !== "Your token"))
        reportError(new Error(`flashed: ${heading}`));
    }).observe(document, { childList: true, subtree: true });
  });
  await page.reload();
  await expect(page.getByRole("heading", { name: "Your token" })).toBeVisible();
  await expect(page.getByText("Verified", { exact: true }).first()).toBeVisible();
});

test("too many tries have to wait, and then the right password is taken", async ({
  page,
  server,
}) => {
  const person = await server.createPerson();
  await page.goto("/sign-in");
  await page.getByLabel("E-mail").fill(person.email);
  await page.getByLabel("Password", { exact: true }).fill("certainly not this one");
  const button = page.getByRole("button", { name: "Sign in", exact: true });
  const notice = page.getByText("Too many tries.");
  // Five are free, and each after that waits twice as long.
  for (let tries = 0; tries < 8 && !(await notice.isVisible()); tries += 1) {
    await expect(button).toBeEnabled();
    const answered = page.waitForResponse("**/graphql");
    await button.click();
    await answered;
    await expect(page.getByRole("alert").or(notice)).toBeVisible();
  }
  await expect(notice).toContainText(/Try again in \d+ seconds?\./);
  await expect(button).toBeDisabled();
  await page.getByLabel("Password", { exact: true }).fill(person.password);
  await expect(button).toBeEnabled();
  await expect(notice).toBeHidden();
  await button.click();
  await expect(page.getByRole("banner")).toContainText(person.name);
});

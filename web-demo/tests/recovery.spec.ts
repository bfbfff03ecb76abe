import { expect, signIn, test } from "./support/test.ts";

const NEW_PASSWORD = "amber harbour fiddle 83";

test("a link from the operator leads to a new password", async ({ page, server, another }) => {
  const person = await server.createPerson();
  const elsewhere = await another();
  await signIn(elsewhere, person);
  const link = await server.recoveryLink(person);
  await page.goto(link);
  await expect(page.getByRole("heading", { name: "Set a new password" })).toBeVisible();
  await expect(page.getByText("8 to 256 characters")).toBeVisible();
  await expect(page).toHaveURL(/\/recover$/);
  expect(await page.evaluate(() => history.length)).toBe(2);

  const field = page.getByLabel("New password", { exact: true });
  await expect(field).toHaveAttribute("autocomplete", "new-password");
  await page.getByRole("button", { name: "Set password" }).click();
  await expect(field).toHaveAccessibleDescription(/Please choose a password/);
  await field.fill("password123");
  await page.getByRole("button", { name: "Set password" }).click();
  await expect(field).toHaveAccessibleDescription(/too easy to guess/);
  await expect(field).toBeFocused();

  await field.fill(NEW_PASSWORD);
  await page.getByRole("button", { name: "Set password" }).click();
  await expect(page.getByText("Your password is changed")).toBeVisible();
  await expect(elsewhere.getByText("Your password was changed")).toBeVisible();
  await page.getByRole("link", { name: "Sign in with the new password" }).click();
  await page.getByLabel("E-mail").fill(person.email);
  await page.getByLabel("Password", { exact: true }).fill(NEW_PASSWORD);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await expect(page.getByRole("heading", { name: "Your token" })).toBeVisible();
  await page.getByRole("link", { name: "Audit" }).click();
  const events = page.getByRole("list", { name: "Events" });
  await expect(events.getByText("Recovery link made")).toBeVisible();
  await expect(events.getByText("Password set by a recovery link")).toBeVisible();

  // Once is once.
  await page.goto(link);
  await field.fill("violet harbour fiddle 84");
  await page.getByRole("button", { name: "Set password" }).click();
  await expect(page.getByRole("alert")).toContainText("This link is not valid any more");
});

test("a newer link that is opened in the same tab takes the place of the older", async ({
  page,
  server,
}) => {
  const person = await server.createPerson();
  await page.goto(await server.recoveryLink(person));
  await expect(page).toHaveURL(/\/recover$/);
  await page.goto(await server.recoveryLink(person));
  await page.getByLabel("New password", { exact: true }).fill(NEW_PASSWORD);
  await page.getByRole("button", { name: "Set password" }).click();
  await expect(page.getByText("Your password is changed")).toBeVisible();
  // Also when the older was used.
  await page.goto(await server.recoveryLink(person));
  await page.getByLabel("New password", { exact: true }).fill("violet harbour fiddle 84");
  await page.getByRole("button", { name: "Set password" }).click();
  await expect(page.getByText("Your password is changed")).toBeVisible();
});

test("the token reaches the server in the one request that uses it", async ({ page, server }) => {
  const link = await server.recoveryLink(await server.createPerson());
  const token = new URL(link).hash.slice("#token=".length);
  const carriers: string[] = [];
  page.on("request", (request) => {
    const parts = [request.url(), JSON.stringify(request.headers()), request.postData() ?? ""];
    if (parts.join().includes(token)) carriers.push(`${request.method()} ${request.url()}`);
  });
  await page.goto(link);
  await page.getByLabel("New password", { exact: true }).fill(NEW_PASSWORD);
  await page.getByRole("button", { name: "Set password" }).click();
  await expect(page.getByText("Your password is changed")).toBeVisible();
  await page.goto("/");
  expect(carriers).toEqual([`POST ${server.origin}/graphql`]);
  const kept = await page.evaluate(() =>
    JSON.stringify([{ ...localStorage }, { ...sessionStorage }]),
  );
  expect(kept).not.toContain(token);
  expect(server.output).not.toContain(token);
});

test("without its whole token the page says what it needs", async ({ page, server }) => {
  const link = await server.recoveryLink(await server.createPerson());
  const links = ["/recover", "/recover#token=", link.slice(0, -1), `${link}.`];
  for (const broken of [...links, `/recover#token=${"x".repeat(1_500_000)}`]) {
    await page.goto("/");
    await page.goto(broken);
    await expect(page.getByText("This page needs the whole link")).toBeVisible();
    await expect(page.getByRole("button", { name: "Set password" })).toHaveCount(0);
    await expect(page).toHaveURL(/\/recover$/);
  }
});

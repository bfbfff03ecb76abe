import { watchForInterruptions } from "./support/interruptions.ts";
import { expect, renewals, signIn, test } from "./support/test.ts";

test.use({ settings: { COUNTERSIGN_TOKENS__ACCESS_TTL: "10s" } });

test("the token is renewed in silence, again and again, and the page stays as it is", async ({
  page,
  server,
}) => {
  await signIn(page, await server.createPerson());
  await expect(page.getByText("Verified", { exact: true }).first()).toBeVisible();
  const interruptions = await watchForInterruptions(page);
  const editor = page.getByLabel("Or edit it freely");
  await editor.fill("half a thought");
  const first = await page.getByTestId("token").textContent();

  await expect.poll(() => renewals(page), { timeout: 40_000 }).toBeGreaterThanOrEqual(3);
  await expect(page.getByTestId("token")).not.toHaveText(first ?? "");
  expect(await page.getByText("new token, good until").count()).toBeGreaterThanOrEqual(3);
  await expect(editor).toBeFocused();
  await expect(editor).toHaveValue("half a thought");
  expect(await interruptions()).toEqual([]);

  await page.getByRole("link", { name: "Account" }).click();
  await expect(page.getByRole("heading", { name: "Ana Lovelace" })).toBeVisible();
});

test("a server that dies and comes back loses no session, and the page says what is going on", async ({
  page,
  server,
  tolerate,
}) => {
  tolerate(/ERR_CONNECTION_REFUSED|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET|status of 503/);
  await signIn(page, await server.createPerson());
  await server.kill();
  await expect(page.locator(".banner")).toContainText("You stay signed in", { timeout: 20_000 });
  await expect(page.getByRole("heading", { name: "Your token" })).toBeVisible();
  const before = await renewals(page);
  await server.launch();
  await expect.poll(() => renewals(page), { timeout: 40_000 }).toBeGreaterThan(before);
  await expect(page.locator(".banner")).toBeEmpty();
  await page.reload();
  await expect(page.getByRole("heading", { name: "Your token" })).toBeVisible();
});

test("a server that dies in the middle of a renewal loses no session", async ({
  page,
  server,
  tolerate,
}) => {
  tolerate(
    /ERR_CONNECTION_REFUSED|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET|ERR_ABORTED|ERR_FAILED|status of 503/,
  );
  await signIn(page, await server.createPerson());
  // The server has rotated the refresh token, and the answer that says so never arrives.
  let lost = false;
  let died = false;
  await page.route("**/graphql", async (route) => {
    if (lost || !route.request().postData()?.includes("refresh")) return route.continue();
    lost = true;
    await route.fetch();
    await server.kill();
    died = true;
    await route.abort();
  });
  await expect.poll(() => died, { timeout: 20_000 }).toBe(true);
  await server.launch();
  await expect.poll(() => renewals(page), { timeout: 40_000 }).toBeGreaterThanOrEqual(1);
  await page.getByRole("link", { name: "Account" }).click();
  await expect(page.getByRole("heading", { name: "Ana Lovelace" })).toBeVisible();
});

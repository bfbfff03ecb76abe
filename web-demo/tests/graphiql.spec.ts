import AxeBuilder from "@axe-core/playwright";
import type { Page } from "@playwright/test";
import { expect, signIn, test } from "./support/test.ts";

const TWO_OPERATIONS =
  "query Shortest { passwordPolicy { minLength } } query Longest { passwordPolicy { maxLength } }";

test.beforeEach(async ({ page, server }) => {
  // No internet: whatever is not ours does not answer.
  await page.route(
    (url) => url.origin !== server.origin,
    (route) => route.abort(),
  );
  await page.goto("/graphiql");
  await expect(page.getByRole("button", { name: "Show Documentation Explorer" })).toBeVisible();
});

const response = (page: Page) => page.locator(".graphiql-response");

/** Puts `text` into the editor that shows in `pane`, in place of what was there. */
async function typeInto(page: Page, pane: string, text: string) {
  await page.locator(`${pane} .monaco-editor:visible`).click();
  await page.keyboard.press("ControlOrMeta+A");
  await page.keyboard.insertText(text);
  // Quotes and brackets that the editor has closed by itself.
  await page.keyboard.press("ControlOrMeta+Shift+End");
  await page.keyboard.press("Delete");
}

/** Picks an operation of the document from the play button's menu. */
async function run(page: Page, operation: string) {
  // The button has a menu once the document has been read; before, it would send everything at once.
  await page.locator(".graphiql-execute-button[aria-haspopup='menu']").click();
  await page.getByRole("menuitem", { name: operation, exact: true }).click();
}

test("the schema loads with no network, and shows every operation with its description", async ({
  page,
}) => {
  await page.getByRole("button", { name: "Show Documentation Explorer" }).click();
  const docs = page.getByLabel("Documentation Explorer");
  await docs.getByRole("link", { name: "Mutation", exact: true }).click();
  for (const operation of ["register", "login", "refresh", "logout", "updateProfile", "setRole"]) {
    await expect(docs.getByRole("link", { name: operation, exact: true })).toBeVisible();
  }
});

test("the second of two operations runs when it is picked", async ({ page }) => {
  await page.getByRole("button", { name: "New tab" }).click();
  await typeInto(page, ".graphiql-query-editor", TWO_OPERATIONS);
  const sent = page.waitForRequest((request) => request.postData()?.includes('"Longest"') ?? false);
  await run(page, "Longest");
  expect((await sent).postDataJSON()).toMatchObject({
    operationName: "Longest",
    query: TWO_OPERATIONS,
  });
  await expect(response(page)).toContainText("maxLength");
  await expect(response(page)).not.toContainText("minLength");
});

test("a sign-in by cookie makes refresh work, and its token is sent from then on", async ({
  page,
  context,
}) => {
  await run(page, "Register");
  await expect(response(page)).toContainText("accessToken");
  await expect(page.getByText("access token is sent as bearer")).toBeVisible();
  const [cookie] = await context.cookies();
  expect(cookie).toMatchObject({
    name: "__Host-countersign",
    httpOnly: true,
    secure: true,
    sameSite: "Strict",
  });

  await run(page, "Refresh");
  await expect(response(page)).toContainText("refreshExpiresIn");
  await run(page, "Me");
  await expect(response(page)).toContainText("ana@example.com");

  await page.getByRole("button", { name: "Forget the token" }).click();
  await run(page, "Viewer");
  await expect(response(page)).toContainText('"viewer": null');
  await run(page, "Refresh");
  await expect(response(page)).toContainText("accessToken");
  await run(page, "Logout");
  await expect(response(page)).toContainText('"logout": true');
  await expect(page.getByText("No access token yet")).toBeVisible();
});

test("an Authorization in the header editor wins over the remembered token", async ({ page }) => {
  await run(page, "PasswordPolicy");
  await page.getByRole("button", { name: "Headers" }).click();
  await typeInto(page, ".graphiql-editor-tool", '{"Authorization": "Bearer not.a.token"}');
  await run(page, "Me");
  await expect(response(page)).toContainText("TOKEN_INVALID");
});

test("administrators run the examples of their tab", async ({ page, server }) => {
  await signIn(page, await server.createPerson("ADMIN"));
  await page.goto("/graphiql");
  await run(page, "Refresh");
  await expect(response(page)).toContainText("accessToken");
  await page.getByRole("tab", { name: "Users" }).click();
  await run(page, "Users");
  await expect(response(page)).toContainText('"ADMIN"');
  await run(page, "EndSessions");
  await expect(response(page)).toContainText("NOT_FOUND");
});

test("a subscription runs until its session ends, and says why", async ({
  page,
  server,
  context,
}) => {
  await signIn(page, await server.createPerson());
  await page.goto("/graphiql");
  await run(page, "Refresh");
  await expect(response(page)).toContainText("accessToken");
  const subscribed = new Promise<string>((resolve) => {
    page.once("websocket", (socket) => {
      socket.on("framesent", ({ payload }) => {
        if (String(payload).includes("subscribe")) resolve(socket.url());
      });
    });
  });
  await page.getByRole("tab", { name: "Sessions" }).click();
  await run(page, "SessionEvents");
  // Without the token, which is sent inside of the connection.
  expect(await subscribed).toMatch(/^ws:.*\/graphql\/ws$/);
  const tab = await context.newPage();
  await tab.goto("/graphiql");
  await run(tab, "Logout");
  await expect(response(tab)).toContainText('"logout": true');
  await expect(response(page)).toContainText("LOGGED_OUT");
});

test("nothing that is typed is left on the disk", async ({ page }) => {
  const marker = "violet-tractor-47";
  const operation = `# ${marker}\nquery Longest { passwordPolicy { maxLength } }`;
  await page.getByRole("button", { name: "New tab" }).click();
  await typeInto(page, ".graphiql-query-editor", operation);
  await typeInto(page, ".graphiql-editor-tool", `{"password": "${marker}"}`);
  const sent = page.waitForRequest((request) => request.postData()?.includes(marker) ?? false);
  await page.locator(".graphiql-execute-button").click();
  expect((await sent).postDataJSON().variables).toEqual({ password: marker });
  await expect(response(page)).toContainText("maxLength");
  const { origins } = await page.context().storageState({ indexedDB: true });
  const session = await page.evaluate(() => JSON.stringify(sessionStorage));
  expect(JSON.stringify(origins) + session).not.toContain(marker);
});

test.describe("on a phone", () => {
  test.use({ viewport: { width: 360, height: 740 } });

  test("editors and answer have the width of the page", async ({ page }) => {
    await run(page, "PasswordPolicy");
    await expect(response(page)).toContainText("minLength");
    for (const pane of [response(page), page.locator(".graphiql-editors")]) {
      expect((await pane.boundingBox())?.width).toBeGreaterThan(300);
    }
  });
});

test("the page around the editor is accessible", async ({ page }) => {
  const { violations } = await new AxeBuilder({ page }).exclude(".graphiql-container").analyze();
  expect(violations).toEqual([]);
});

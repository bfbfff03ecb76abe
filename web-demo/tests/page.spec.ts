import AxeBuilder from "@axe-core/playwright";
import type { Page } from "@playwright/test";
import { expect, signIn, test } from "./support/test.ts";

const PUBLIC = ["/", "/register", "/sign-in", "/recover", "/recover#token=x", "/tabs", "/nowhere"];
const PRIVATE = ["/token", "/tabs", "/account", "/sessions", "/audit", "/people"];

/** Opens a page and waits until it shows what it came to show. */
async function open(page: Page, path: string) {
  await page.goto(path);
  await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
  if (path === "/token")
    await expect(page.getByRole("region", { name: "What it says" })).toBeVisible();
  if (path === "/tabs") await expect(page.locator(".lanes-mark").first()).toBeVisible();
  if (path === "/account")
    await expect(page.getByRole("heading", { name: "Change your name" })).toBeVisible();
  if (path === "/sessions") await expect(page.getByText("This device")).toBeVisible();
  if (path === "/audit") await expect(page.locator(".event").first()).toBeVisible();
  if (path === "/people") await expect(page.getByRole("table")).toBeVisible();
  if (path === "/graphiql") await expect(page.locator(".graphiql-response")).toBeVisible();
}

async function expectAccessible(page: Page) {
  const { violations } = await new AxeBuilder({ page }).analyze();
  const found = violations.map(
    ({ id, nodes }) =>
      `${id}: ${nodes.map((node) => `${node.html} ${node.failureSummary}`).join("\n")}`,
  );
  expect(found).toEqual([]);
}

for (const colorScheme of ["light", "dark"] as const) {
  test.describe(`accessibility, ${colorScheme}`, () => {
    test.use({ colorScheme, contextOptions: { reducedMotion: "reduce" } });

    test("pages for everybody", async ({ page }) => {
      for (const path of PUBLIC) {
        await open(page, path);
        await expectAccessible(page);
      }
    });

    test("a form with problems", async ({ page }) => {
      await open(page, "/register");
      await page.getByRole("button", { name: "Create account" }).click();
      await expect(page.getByText("Please give your name.")).toBeVisible();
      await expectAccessible(page);
    });

    test("pages for members", async ({ page, server }) => {
      await signIn(page, await server.createPerson("ADMIN"));
      for (const path of PRIVATE) {
        await open(page, path);
        await expectAccessible(page);
      }
      await page.getByRole("table").getByRole("link").first().click();
      await expect(page.locator(".event").first()).toBeVisible();
      await expectAccessible(page);
    });

    test("dialogs, with and without a problem", async ({ page, server }) => {
      const person = await server.createPerson();
      await server.signIn(person);
      await signIn(page, person);
      await open(page, "/sessions");
      await page.getByRole("button", { name: "End curl" }).click();
      await expectAccessible(page);
      await open(page, "/account");
      await page.getByRole("button", { name: "Delete account…" }).click();
      await page.getByRole("button", { name: "Delete my account" }).click();
      await expect(page.getByText("Please give your password.")).toBeVisible();
      await expectAccessible(page);
    });

    test("a refused token", async ({ page, server }) => {
      await signIn(page, await server.createPerson());
      await page.getByRole("button", { name: "Set alg to none" }).click();
      await expect(page.getByTestId("page-verdict")).toContainText("Refused");
      await expectAccessible(page);
    });
  });
}

test.describe("on a phone", () => {
  test.use({ viewport: { width: 360, height: 740 } });

  test("no page scrolls sideways", async ({ page, server }) => {
    const expectItFits = async (path: string) => {
      await open(page, path);
      const [content, window] = await page.evaluate(() => [
        document.documentElement.scrollWidth,
        innerWidth,
      ]);
      expect(content, `${path} is wider than the window`).toBeLessThanOrEqual(window ?? 0);
    };
    for (const path of [...PUBLIC, "/graphiql"]) await expectItFits(path);
    await signIn(
      page,
      await server.createPerson("ADMIN", "Wilhelmina Featherstonehaugh-Cholmondeley"),
    );
    for (const path of PRIVATE) await expectItFits(path);
    const link = page.getByRole("table").getByRole("link").first();
    await expectItFits((await link.getAttribute("href")) ?? "");
  });
});

test("an unknown address says so, with a way back", async ({ page }) => {
  await page.goto("/no/such/page");
  await expect(page).toHaveTitle("Page not found · Countersign");
  await page.getByRole("link", { name: "Go to the overview" }).click();
  await expect(page).toHaveTitle("Overview · Countersign");
});

test("the console warns against pasting code", async ({ page }) => {
  const warned = page.waitForEvent("console", (message) => message.type() === "warning");
  await page.goto("/");
  expect((await warned).text()).toMatch(/Stop!.*pasting code here/s);
});

test("the keyboard reaches the content first, and a navigation moves the focus to its heading", async ({
  page,
}) => {
  await page.goto("/");
  await page.keyboard.press("Tab");
  await expect(page.getByRole("link", { name: "Skip to the content" })).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("main")).toBeFocused();
  await page.getByRole("main").getByRole("link", { name: "Sign in" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Sign in" })).toBeFocused();
});

test("a chosen theme stays chosen, from the first paint on", async ({ page }) => {
  await page.goto("/");
  await page.getByRole("button", { name: "Use the dark theme" }).click();
  await page.reload({ waitUntil: "commit" });
  await expect(page.locator("html")).toHaveAttribute("data-theme", "dark");
  await page.getByRole("button", { name: "Use the light theme" }).click();
  await expect(page.locator("html")).not.toHaveAttribute("data-theme");
});

test("being offline is said, and signs nobody out", async ({ page, server, context, tolerate }) => {
  // The keys may be on their way just then.
  tolerate(/ERR_INTERNET_DISCONNECTED/);
  await signIn(page, await server.createPerson());
  await context.setOffline(true);
  await expect(page.locator(".banner")).toContainText("You are offline. You stay signed in");
  await context.setOffline(false);
  await expect(page.locator(".banner")).toBeEmpty();
  await expect(page.getByRole("heading", { name: "Your token" })).toBeVisible();
});

test("a server that does not answer at the start is said, and the session comes back with it", async ({
  page,
  server,
  tolerate,
}) => {
  tolerate(/status of 503/);
  await signIn(page, await server.createPerson());
  await page.route("**/graphql", (route) => route.fulfill({ status: 503 }));
  await page.goto("/");
  await expect(page.locator(".banner")).toContainText("If you were signed in, you still are");
  await expect(page.getByRole("link", { name: "Create an account" })).toBeVisible();
  for (const [path, heading] of [
    ["/register", "Create an account"],
    ["/sign-in", "Sign in"],
  ] as const) {
    await page.goto(path);
    await expect(page.getByRole("heading", { level: 1, name: heading })).toBeVisible();
    await expect(page.locator(".banner")).toContainText("this page keeps trying");
  }
  await page.unroute("**/graphql");
  await expect(page.getByRole("heading", { name: "Your token" })).toBeVisible({ timeout: 30_000 });
  await expect(page.locator(".banner")).toBeEmpty();
});

test("a busy server is told in words, with the time to wait", async ({ page, tolerate }) => {
  tolerate(/status of 429/);
  await page.goto("/sign-in");
  await page.route("**/graphql", (route) =>
    route.fulfill({
      status: 429,
      json: {
        errors: [{ message: "slow down", extensions: { code: "RATE_LIMITED", retryAfter: 42 } }],
      },
    }),
  );
  await page.getByLabel("E-mail").fill("ana@example.com");
  await page.getByLabel("Password", { exact: true }).fill("violet tractor melody 47");
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await expect(page.getByText("Too many tries. Try again in")).toHaveText(/in 4[0-2] seconds\.$/);
});

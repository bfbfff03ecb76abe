import type { Page } from "@playwright/test";
import { expect, signIn, test } from "./support/test.ts";

/** The addresses that the page asks for from now on, in their order. */
function watchRequests(page: Page): string[] {
  const paths: string[] = [];
  page.on("request", (request) => paths.push(new URL(request.url()).pathname));
  return paths;
}

const isWasm = (path: string) => path.endsWith(".wasm");

/** Waits until the page has loaded what it loads by itself. */
async function settle(page: Page): Promise<void> {
  await page.waitForLoadState("load");
  await page.evaluate(() => new Promise((resolve) => requestIdleCallback(resolve)));
}

test("a page asks who is signed in first, and for the WASM core after the answer", async ({
  page,
  server,
}) => {
  await signIn(page, await server.createPerson());
  let answer = () => {};
  const mayAnswer = new Promise<void>((resolve) => {
    answer = resolve;
  });
  await page.route("**/graphql", async (route) => {
    await mayAnswer;
    await route.continue();
  });
  const paths = watchRequests(page);
  const asked = page.waitForRequest("**/graphql");
  await page.goto("/account");
  await asked;
  await settle(page);
  expect(paths.filter(isWasm)).toEqual([]);

  answer();
  await expect.poll(() => paths.filter(isWasm)).toHaveLength(1);
  expect(paths.findIndex(isWasm)).toBeGreaterThan(paths.indexOf("/graphql"));
  await expect(page.getByRole("heading", { name: "Change your name" })).toBeVisible();
});

test("a visitor who is not signed in loads no WASM core and asks the server nothing", async ({
  page,
}) => {
  const paths = watchRequests(page);
  await page.goto("/sign-in");
  await expect(page.getByRole("heading", { level: 1, name: "Sign in" })).toBeVisible();
  await settle(page);
  expect(paths.filter((path) => isWasm(path) || path === "/graphql")).toEqual([]);
});

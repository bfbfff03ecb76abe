import type { Page, Route } from "@playwright/test";
import { expect, signIn, test } from "./support/test.ts";

/** Opens three tabs of one browser at the tabs page, signed in, and waits until each knows that of all. */
async function openTabs(first: Page): Promise<[Page, Page, Page]> {
  const browser = first.context();
  const tabs: [Page, Page, Page] = [first, await browser.newPage(), await browser.newPage()];
  for (const tab of tabs) await tab.goto("/tabs");
  for (const tab of tabs)
    await expect(rows(tab).filter({ hasText: "Ana Lovelace" })).toHaveCount(3);
  return tabs;
}

function rows(tab: Page) {
  return tab.getByRole("table", { name: "Tabs of this browser" }).locator("tbody tr");
}

function log(tab: Page) {
  return tab.getByRole("region", { name: "What happened" });
}

/** The number in front of a figure's words. */
async function figure(tab: Page, words: RegExp): Promise<number> {
  const text = await tab
    .getByTestId("figures")
    .locator("div")
    .filter({ hasText: words })
    .textContent();
  return Number(/\d+/.exec(text ?? "")?.[0]);
}

function isRefresh(route: Route): boolean {
  return route.request().postData()?.includes("refresh(refreshToken") ?? false;
}

test("three tabs that renew at the same moment make one call, which two take over", async ({
  page,
  server,
  context,
}) => {
  await signIn(page, await server.createPerson());
  const tabs = await openTabs(page);
  const before = await figure(page, /calls? to renew/);
  const spared = await figure(page, /spared/);
  let calls = 0;
  await context.route("**/graphql", async (route) => {
    if (isRefresh(route)) calls += 1;
    await route.fallback();
  });
  await page.getByRole("button", { name: "Renew in all tabs at once" }).click();
  for (const tab of tabs) {
    await expect.poll(() => figure(tab, /calls? to renew/)).toBe(before + 1);
    await expect.poll(() => figure(tab, /spared/)).toBe(spared + 2);
    await expect(log(tab).getByRole("listitem").first()).toHaveText(
      /Tab \d renewed the token in \d+ ms\. Tab \d and Tab \d took it over\.$/,
    );
    await expect(tab.locator(".lanes-handover")).toHaveCount(spared + 2);
  }
  expect(calls).toBe(1);
});

test("who holds the lock and who waits for it is shown while a renewal is under way", async ({
  page,
  server,
  context,
}) => {
  await signIn(page, await server.createPerson());
  const [, second] = await openTabs(page);
  const lock = page.getByTestId("lock");
  await expect(lock).toContainText("Nobody: it is free");
  let letGo = () => {};
  const held = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  await context.route("**/graphql", async (route) => {
    if (isRefresh(route)) await held;
    await route.fallback();
  });
  await second.getByRole("button", { name: "Renew in all tabs at once" }).click();
  await expect(lock).toContainText(/Held byTab \dWaitingTab \d, Tab \d/);
  await expect(page.getByRole("list", { name: "Lanes" })).toContainText("holds the lock");
  await expect(log(page)).toContainText(/Tab \d renews the token…/);
  letGo();
  await expect(lock).toContainText("Nobody: it is free");
  await expect(log(page)).toContainText(/Tab \d and Tab \d took it over\./);
});

test("a lock that a tab does not let go of stops the others for five seconds at most", async ({
  page,
  server,
}) => {
  await signIn(page, await server.createPerson());
  const [, second] = await openTabs(page);
  const before = await figure(page, /^renewals?\d/);
  await page.getByRole("button", { name: "Hold the lock for 10 s" }).click();
  await expect(second.getByTestId("lock")).toContainText("Held byTab 1");
  await second.getByRole("button", { name: "Renew in all tabs at once" }).click();
  await expect.poll(() => figure(page, /^renewals?\d/)).toBe(before + 1);
  await expect(page.getByTestId("lock")).toContainText("Held byTab 1");
  await expect(page.getByTestId("lock")).toContainText("Nobody: it is free", { timeout: 20_000 });
});

test("a renewal that the server does not answer is shown, in words too", async ({
  page,
  server,
  tolerate,
}) => {
  tolerate(/status of 503/);
  await signIn(page, await server.createPerson());
  await page.goto("/tabs");
  await expect(rows(page)).toContainText("Ana Lovelace");
  await page.route("**/graphql", (route) => route.fulfill({ status: 503 }));
  await page.getByRole("button", { name: "Renew in all tabs at once" }).click();
  await expect(log(page)).toContainText("Tab 1 could not renew the token (NETWORK).");
  await expect(page.locator('.lanes-drawing [data-state="refused"]').first()).toBeAttached();
  await expect(page.getByRole("alert")).toContainText("The server is busy just now.");
});

test("tabs come, go to sleep and go", async ({ page, server }) => {
  await signIn(page, await server.createPerson());
  const [, second, third] = await openTabs(page);
  await expect(page.getByRole("list", { name: "Lanes" }).getByRole("listitem")).toHaveText([
    "Tab 1this one",
    "Tab 2in view",
    "Tab 3in view",
  ]);
  const opened = page.context().waitForEvent("page");
  await page.getByRole("link", { name: "Open another tab" }).click();
  await expect(rows(page)).toHaveCount(4);
  await (await opened).close();
  await expect(rows(page)).toHaveCount(3);

  // Busy for so long that it cannot answer, as one that the browser has put to sleep.
  const busy = second.evaluate((end) => {
    while (Date.now() < end);
  }, Date.now() + 12_000);
  await expect(rows(page).nth(1)).toContainText("silent");
  await busy;
  await expect(rows(page).nth(1)).toContainText("in view");
  await second.evaluate(() => document.dispatchEvent(new Event("freeze")));
  await expect(rows(page).nth(1)).toContainText("asleep");

  await third.close();
  await expect(rows(page)).toHaveCount(2);
  await expect(page.getByRole("list", { name: "Lanes" })).toContainText("Tab 3closed");
  // A reload is the same tab, with what it remembers.
  await second.reload();
  await expect(rows(page)).toHaveCount(2);
  await expect(rows(second).nth(1)).toContainText("Tab 2 This tab");
});

test("a sign-out in one tab shows in all of them, and so does a sign-in", async ({
  page,
  server,
}) => {
  const person = await server.createPerson();
  await signIn(page, person);
  const [, second] = await openTabs(page);
  await page.getByRole("button", { name: "Sign out" }).click();
  for (const tab of [page, second]) {
    await expect(rows(tab).filter({ hasText: "Nobody" })).toHaveCount(3);
    await expect(log(tab)).toContainText("Tab 1, Tab 2 and Tab 3 are signed out.");
    await expect(tab.getByText("Nobody is signed in.")).toBeVisible();
  }
  await page.getByRole("main").getByRole("link", { name: "Sign in", exact: true }).click();
  await page.getByLabel("E-mail").fill(person.email);
  await page.getByLabel("Password", { exact: true }).fill(person.password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await expect(page.getByRole("heading", { name: "One browser, one renewal" })).toBeVisible();
  await expect(rows(second).filter({ hasText: "Ana Lovelace" })).toHaveCount(3);
  await expect(log(second)).toContainText(
    /Tab 1 signed in in \d+ ms\. Tab 2 and Tab 3 took it over\./,
  );
});

test("the time line stands still on request", async ({ page, server }) => {
  await signIn(page, await server.createPerson());
  await page.goto("/tabs");
  const mark = page.locator(".lanes-mark line").last();
  const before = await mark.getAttribute("x1");
  await expect(mark).not.toHaveAttribute("x1", before ?? "");
  await page.getByRole("button", { name: "Pause" }).click();
  const paused = await mark.getAttribute("x1");
  await page.getByRole("button", { name: "Renew in all tabs at once" }).click();
  await expect(log(page)).toContainText("Tab 1 renewed the token");
  await expect(mark).toHaveAttribute("x1", paused ?? "");
  await page.getByRole("button", { name: "Go on" }).click();
  await expect(mark).not.toHaveAttribute("x1", paused ?? "");
  await page.getByRole("button", { name: "5 min" }).click();
  await expect(page.getByRole("button", { name: "5 min" })).toHaveAttribute("aria-pressed", "true");
});

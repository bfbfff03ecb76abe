import type { Page } from "@playwright/test";
import { deafen, expect, test } from "../support/client.ts";
import { DEMO } from "../support/server.ts";

test.use({ settings: { COUNTERSIGN_HTTP__ASSETS: DEMO } });

/** Notes, in every page, whether it was kept for the way back and what its first frame then shows. */
function noteReturn(): void {
  addEventListener("pageshow", ({ persisted }) => {
    requestAnimationFrame(() => {
      Object.assign(globalThis, { shown: { text: document.body.textContent, isKept: persisted } });
    });
  });
}

async function goBack(page: Page): Promise<unknown> {
  await page.evaluate(() => Object.assign(globalThis, { shown: null }));
  await page.goBack({ waitUntil: "commit" });
  return (await page.waitForFunction(() => Reflect.get(globalThis, "shown"))).jsonValue();
}

for (const { which, isKept } of [
  { which: "loaded anew", isKept: false },
  { which: "kept", isKept: true },
]) {
  test(`the back button shows nothing private in the demo after a sign-out: the page is ${which}`, async ({
    context,
    wire,
    ana,
  }) => {
    await context.addInitScript(noteReturn);
    if (isKept) await context.addInitScript(deafen);
    const page = await context.newPage();
    await page.goto(`${wire.origin}/sign-in`);
    await page.getByLabel("E-mail").fill(ana.email);
    await page.getByLabel("Password", { exact: true }).fill(ana.password);
    await page.getByRole("button", { name: "Sign in", exact: true }).click();
    await expect(page.getByRole("heading", { name: "Your token" })).toBeVisible();
    await page.getByRole("link", { name: "Account" }).click();
    await expect(page.getByRole("heading", { name: ana.name })).toBeVisible();

    await page.goto(`${wire.origin}/`);
    await page.getByRole("button", { name: "Sign out" }).click();
    await expect.poll(() => wire.count("Logout")).toBe(1);
    const nothing = { text: expect.not.stringContaining(ana.name), isKept };
    expect(await goBack(page)).toEqual(nothing);
    await expect(page.getByRole("link", { name: "Sign in" }).first()).toBeVisible();
    await expect(page.getByText(ana.email)).toHaveCount(0);
  });
}

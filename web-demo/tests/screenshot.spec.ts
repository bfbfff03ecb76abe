import { copyFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { expect, signIn, test } from "./support/test.ts";

const README_PICTURE = fileURLToPath(new URL("../../docs/screenshot.png", import.meta.url));
const IS_WANTED = process.env.UPDATE_SCREENSHOT === "1";
/** A picture that is worth keeping takes most of a minute; a test that one can be taken does not. */
const RENEWALS = IS_WANTED ? 6 : 1;

test.use({
  settings: { COUNTERSIGN_TOKENS__ACCESS_TTL: "15s" },
  colorScheme: "light",
  contextOptions: { reducedMotion: "reduce" },
  viewport: { width: 1280, height: 692 },
  deviceScaleFactor: IS_WANTED ? 2 : 1,
});

test("the README's picture: four tabs, of which one at a time renews for all", async ({
  page,
  server,
  context,
}, info) => {
  test.setTimeout(180_000);
  await signIn(page, await server.createPerson());
  await page.getByRole("link", { name: "Tabs" }).click();
  for (let count = 2; count <= 4; count += 1) {
    await (await context.newPage()).goto("/tabs");
    await expect(page.getByRole("list", { name: "Lanes" }).getByRole("listitem")).toHaveCount(
      count,
    );
  }
  const calls = page.getByTestId("figures").locator("div", { hasText: /calls? to renew/ });
  await expect
    .poll(async () => Number(/\d+/.exec((await calls.textContent()) ?? "")?.[0]), {
      timeout: 120_000,
    })
    .toBeGreaterThanOrEqual(RENEWALS);
  await page.bringToFront();
  await page.mouse.move(0, 0);
  // The latest renewal is to stand clear of the line that says "now".
  if (IS_WANTED) await page.waitForTimeout(3_000);
  const picture = info.outputPath("screenshot.png");
  await page.screenshot({ path: picture });
  if (IS_WANTED) await copyFile(picture, README_PICTURE);
});

import { copyFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { expect, signIn, test } from "./support/test.ts";

const README_PICTURE = fileURLToPath(new URL("../../docs/screenshot.png", import.meta.url));

test.use({ colorScheme: "light", contextOptions: { reducedMotion: "reduce" } });

test("the README's picture: the token page of somebody who signed in", async ({
  page,
  server,
}, info) => {
  await signIn(page, await server.createPerson());
  await page.getByRole("button", { name: "Renew now" }).click();
  await expect(page.getByText("new token, good until")).toBeVisible();
  await expect(page.getByText("Verified", { exact: true })).toHaveCount(2);
  await page.locator("body").click({ position: { x: 1, y: 1 } });
  const picture = info.outputPath("screenshot.png");
  await page.screenshot({ path: picture });
  if (process.env.UPDATE_SCREENSHOT === "1") await copyFile(picture, README_PICTURE);
});

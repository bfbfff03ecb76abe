import { signIn, test } from "./support/test.ts";

test.use({
  settings: { COUNTERSIGN_TOKENS__ACCESS_TTL: "20s" },
  viewport: { width: 1280, height: 900 },
  colorScheme: (process.env.SCHEME ?? "light") as "light",
});
test("scratch", async ({ page, server, context }) => {
  test.setTimeout(120_000);
  await signIn(page, await server.createPerson());
  await page.goto("/tabs");
  for (let i = 0; i < 3; i++) {
    const p = await context.newPage();
    await p.goto("/tabs");
    await p.waitForTimeout(3000);
  }
  await page.bringToFront();
  await page.waitForTimeout(25000);
  await page.screenshot({ path: "/tmp/stage-a.png", fullPage: true });
  await page.setViewportSize({ width: 360, height: 740 });
  await page.emulateMedia({ colorScheme: "dark" });
  await page.waitForTimeout(500);
  await page.screenshot({ path: "/tmp/stage-b.png", fullPage: true });
});

import { defineConfig, devices } from "@playwright/test";

/** The browser tests: Debian's Chromium against the real server, which each worker starts for itself. */
export default defineConfig({
  testDir: "tests",
  // Five minutes long, and therefore only run when asked for: `npm run soak`.
  testIgnore: process.env.SOAK ? [] : ["soak.spec.ts"],
  outputDir: "test-results",
  reporter: [["list"]],
  forbidOnly: true,
  fullyParallel: false,
  workers: 2,
  timeout: 60_000,
  expect: { timeout: 10_000 },
  use: {
    ...devices["Desktop Chrome"],
    viewport: { width: 1280, height: 800 },
    locale: "en-GB",
    timezoneId: "UTC",
    trace: "retain-on-failure",
    launchOptions: {
      executablePath: process.env.CHROMIUM_PATH ?? "/usr/bin/chromium",
      args: [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    },
  },
});

import { defineConfig, devices } from "@playwright/test";

// Five minutes long, and therefore only run when asked for: `npm run soak`.
const soak = process.env.SOAK !== undefined;

/** The browser tests: Debian's Chromium against the real server, which each worker starts for itself. */
export default defineConfig({
  testDir: "tests",
  globalSetup: "./tests/support/build-page.ts",
  testIgnore: soak ? [] : ["soak.spec.ts"],
  // Each empties its folder when it starts, so that one run does not take the other's away.
  outputDir: soak ? "test-results/soak" : "test-results/browser",
  reporter: [["list"]],
  forbidOnly: true,
  // Many tests wait for what happens at a time; a machine that stood still in between is no fault of theirs. What passes only then is
  // told as flaky.
  retries: 1,
  fullyParallel: false,
  workers: 2,
  timeout: 60_000,
  expect: { timeout: 10_000 },
  use: {
    ...devices["Desktop Chrome"],
    viewport: { width: 1280, height: 800 },
    locale: "en-GB",
    timezoneId: "UTC",
    trace: soak ? "off" : "retain-on-failure",
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

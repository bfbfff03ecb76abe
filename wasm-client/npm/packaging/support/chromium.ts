import { type Browser, type BrowserContext, chromium } from "playwright-core";

/** The browser that the tests of the demo use, too. */
const OPTIONS = {
  executablePath: process.env.CHROMIUM_PATH ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"],
};

/** Starts Chromium. */
export function launch(): Promise<Browser> {
  return chromium.launch(OPTIONS);
}

/** Starts Chromium with the extension of a folder, and a profile that goes when it ends. */
export function launchWith(extension: string): Promise<BrowserContext> {
  const load = [`--disable-extensions-except=${extension}`, `--load-extension=${extension}`];
  return chromium.launchPersistentContext("", { ...OPTIONS, args: [...OPTIONS.args, ...load] });
}

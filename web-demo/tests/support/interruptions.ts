import type { Page } from "@playwright/test";

/**
 * Watches the token page from inside, from now on, and reports every moment at which its reader would have noticed
 * something: another page, another heading, a message about the connection, a badge that is not "Verified".
 */
export async function watchForInterruptions(page: Page): Promise<() => Promise<string[]>> {
  await page.evaluate(() => {
    const seen: string[] = [];
    Object.assign(globalThis, { interruptions: seen });
    const look = () => {
      const heading = document.querySelector("h1")?.textContent;
      const banner = document.querySelector(".banner")?.textContent;
      const badge = document.querySelector(".verification .badge strong")?.textContent;
      if (location.pathname !== "/token") seen.push(`at ${location.pathname}`);
      if (heading !== "Your token") seen.push(`heading: ${heading}`);
      if (banner !== "") seen.push(`banner: ${banner}`);
      if (badge !== "Verified") seen.push(`badge: ${badge}`);
    };
    new MutationObserver(look).observe(document.body, {
      childList: true,
      subtree: true,
      characterData: true,
    });
  });
  return () =>
    page.evaluate(() => (globalThis as unknown as { interruptions: string[] }).interruptions);
}

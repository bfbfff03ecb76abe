// The pages of examples/web, built, against the real server.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import type { Page } from "@playwright/test";
import type { Person } from "./support/server.ts";
import { expect, test } from "./support/test.ts";

const example = (path: string) =>
  fileURLToPath(new URL(`../../examples/web/${path}`, import.meta.url));
const pagesPort = await freePort();
const pages = `http://localhost:${pagesPort}`;

test.use({
  settings: {
    COUNTERSIGN_HTTP__ASSETS: example("dist"),
    COUNTERSIGN_HTTP__ALLOWED_ORIGINS: pages,
    COUNTERSIGN_TOKENS__ACCESS_TTL: "4s",
  },
});

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

async function signIn(page: Page, { email, password }: Person): Promise<void> {
  await page.getByLabel("E-mail").fill(email);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
}

/** Counts the page's renewals. */
function countRefreshes(page: Page): () => number {
  let sent = 0;
  page.on("request", (request) => {
    if (request.postData()?.includes("refresh(refreshToken")) sent += 1;
  });
  return () => sent;
}

for (const name of ["fetch", "apollo", "urql"]) {
  test(`${name}: sign in, act past the token's end, reload, sign out`, async ({ page, server }) => {
    const person = await server.createPerson();
    await page.goto(`/${name}.html`);
    await signIn(page, person);
    await expect(page.getByText("Signed in as Ana Lovelace, USER")).toBeVisible();

    await page.waitForTimeout(5_000);
    await page.getByRole("textbox").fill("Zoe");
    await page.getByRole("button", { name: "Rename" }).click();
    await expect(page.getByText("Signed in as Zoe, USER")).toBeVisible();

    const refreshes = countRefreshes(page);
    await page.reload();
    await expect(page.getByText("Signed in as Zoe, USER")).toBeVisible();
    expect(refreshes()).toBe(1);

    await page.getByRole("button", { name: "Sign out" }).click();
    await expect(page.getByRole("button", { name: "Sign in" })).toBeVisible();
    await page.reload();
    await expect(page.getByRole("button", { name: "Sign in" })).toBeVisible();
  });
}

for (const name of ["apollo", "urql"]) {
  test(`${name}: what one user saw is gone for the next, and events arrive`, async ({
    page,
    server,
  }) => {
    const [first, second] = [
      await server.createPerson(),
      await server.createPerson("USER", "Bert Babbage"),
    ];
    await page.goto(`/${name}.html`);
    await signIn(page, first);
    await expect(page.getByText("Name: Ana Lovelace")).toBeVisible();
    await page.getByRole("textbox").fill("Zoe");
    await page.getByRole("button", { name: "Rename" }).click();
    await expect(page.getByText("Name: Zoe")).toBeVisible();
    await expect(page.getByText("Last event: PROFILE_CHANGED")).toBeVisible();
    await page.getByRole("button", { name: "Sign out" }).click();
    await signIn(page, second);
    await expect(page.getByText("Name: Bert Babbage")).toBeVisible();
    await expect(page.getByText("Last event: none")).toBeVisible();
  });
}

test("rendered on a server: the page is there before the script, and the browser goes on with it", async ({
  page,
  server,
  tolerate,
}) => {
  tolerate(new RegExp(`^request to ${pages}/`));
  const person = await server.createPerson();
  const program = spawn(process.execPath, [example("dist-server/server.js")], {
    env: { ENDPOINT: `${server.origin}/graphql`, PORT: String(pagesPort) },
    stdio: "inherit",
  });
  try {
    await expect(async () => {
      expect(await (await fetch(pages)).text()).toContain("<p>One moment…</p>");
    }).toPass();
    await page.goto(pages);
    await signIn(page, person);
    await expect(page.getByText("Signed in as Ana Lovelace, USER")).toBeVisible();
    await page.reload();
    await expect(page.getByText("Signed in as Ana Lovelace, USER")).toBeVisible();
  } finally {
    program.kill();
  }
});

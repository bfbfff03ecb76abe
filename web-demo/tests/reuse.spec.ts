import { expect, signIn, test } from "./support/test.ts";

test.use({ settings: { COUNTERSIGN_SESSIONS__REUSE_GRACE: "0s" } });

test("a refresh token that is replayed after the grace ends the session in all its tabs", async ({
  page,
  server,
  context,
}) => {
  await signIn(page, await server.createPerson());
  const stolen = (await context.cookies()).find(({ name }) => name === "__Host-countersign");
  const tab = await context.newPage();
  await tab.goto("/account");
  await expect(tab.getByRole("heading", { name: "Your account" })).toBeVisible();
  for (const count of ["1", "2"]) {
    await page.getByRole("button", { name: "Renew now" }).click();
    await expect(page.getByTestId("renewals")).toHaveText(count);
  }

  const { errors } = await server.ask("mutation { refresh { accessToken } }", {
    headers: { origin: server.origin, cookie: `${stolen?.name}=${stolen?.value}` },
  });
  expect(errors?.[0]?.extensions).toMatchObject({ reason: "REFRESH_REUSED" });
  for (const each of [page, tab])
    await expect(
      each.getByText("Somebody else may have used a copy of your sign-in"),
    ).toBeVisible();
});

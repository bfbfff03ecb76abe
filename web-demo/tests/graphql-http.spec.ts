import { serverAudits } from "graphql-http";
import { expect, test } from "./support/test.ts";

let origin = "";
test.beforeAll(({ server }) => {
  origin = server.origin;
});

// The audit suite of the GraphQL-over-HTTP specification; a SHOULD that is not met (a warning) fails here as well.
for (const audit of serverAudits({ url: () => `${origin}/graphql`, fetchFn: fetch })) {
  test(`${audit.id}: ${audit.name}`, async () => {
    const result = await audit.fn();
    const reason = result.status === "ok" ? "" : result.reason;
    expect(["error", "warn"], reason).not.toContain(result.status);
  });
}

import { buildClientSchema, getIntrospectionQuery } from "graphql";
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

test("graphql-js may ask for the whole schema, within every limit", async () => {
  // All options but `experimentalDirectiveDeprecation`, whose fields the GraphQL specification does not have.
  const query = getIntrospectionQuery({
    descriptions: true,
    specifiedByUrl: true,
    directiveIsRepeatable: true,
    schemaDescription: true,
    inputValueDeprecation: true,
    oneOf: true,
  });
  const answer = await fetch(`${origin}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query }),
  });
  const { data, errors } = await answer.json();
  expect(errors).toBeUndefined();
  expect(buildClientSchema(data).getQueryType()?.getFields()).toHaveProperty("me");
});

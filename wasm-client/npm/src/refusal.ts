import { isRenewable } from "./error.js";
import type { GraphQLAnswer } from "./graphql.js";

/**
 * Whether a GraphQL answer says that the request's token did not do, so that nothing was executed (`renewable`), or that
 * its session has ended.
 */
export function refusalOf({
  data,
  errors,
}: Pick<GraphQLAnswer, "data" | "errors">): "renewable" | "ended" | undefined {
  const reasons = (errors ?? [])
    .filter(({ extensions }) => extensions?.code === "UNAUTHENTICATED")
    .map(({ extensions }) => String(extensions?.reason));
  if (reasons.includes("SESSION_ENDED")) return "ended";
  const isExecuted = Object.values(data ?? {}).some((value) => value !== null);
  return !isExecuted && reasons.some(isRenewable) ? "renewable" : undefined;
}

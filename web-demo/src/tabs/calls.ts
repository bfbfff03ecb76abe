import type { CallEvent } from "./report.ts";

/** Is told of every call when it begins, and of how it ended. */
type Watcher = (now: CallEvent, before: CallEvent | null) => void;

let watcher: Watcher = () => {};

/** Names the one who is told of the calls. */
export function watchCalls(watch: Watcher): void {
  watcher = watch;
}

/** The platform's fetch, under watch where it sends a mutation that asks for an access token. */
export const watchedFetch: typeof fetch = async (input, init) => {
  const operation = operationOf(init?.body);
  if (operation === null) return fetch(input, init);
  const call: CallEvent = { kind: "call", at: Date.now(), operation, end: null, outcome: null };
  const finish = (outcome: string) => watcher({ ...call, end: Date.now(), outcome }, call);
  watcher(call, null);
  try {
    const response = await fetch(input, init);
    // A copy: the client has its answer no later because of us.
    response
      .clone()
      .json()
      .then(
        (answer) => finish(outcomeOf(answer)),
        () => finish("NETWORK"),
      );
    return response;
  } catch (error) {
    finish("NETWORK");
    throw error;
  }
};

/** The name of a mutation that asks for an access token, or null. */
function operationOf(body: unknown): string | null {
  if (typeof body !== "string") return null;
  const [, operation = null] = /^{"query":"mutation (\w+).* accessToken /.exec(body) ?? [];
  return operation;
}

function outcomeOf(answer: unknown): string {
  const { errors } = (answer ?? {}) as {
    errors?: { extensions?: { code?: string; reason?: string } }[];
  };
  if (!errors?.[0]) return "granted";
  const { reason, code } = errors[0].extensions ?? {};
  return reason ?? code ?? "NETWORK";
}

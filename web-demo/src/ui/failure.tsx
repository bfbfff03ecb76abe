import type { Answer } from "../answer.ts";
import { messageFor } from "../messages.ts";
import { Button } from "./button.tsx";
import { Notice } from "./notice.tsx";

/** Says why a query failed, with a button that asks again; nothing where it did not fail. */
export function Failure({ answer }: { answer: Answer<unknown> }) {
  if (answer.error === null) return null;
  return (
    <>
      <Notice tone="bad">{messageFor(answer.error)}</Notice>
      <Button busy={answer.loading} onClick={answer.askAgain}>
        Try again
      </Button>
    </>
  );
}

import { inWords } from "../messages.ts";
import type { FormState } from "./form.ts";
import { Notice } from "./notice.tsx";

/** What is wrong with a form as a whole, or for how long it cannot be sent; nothing where it is good. */
export function FormProblem({ form }: { form: FormState }) {
  if (form.wait > 0) {
    return (
      <Notice tone="warning">
        Too many tries. {/* Each second of it need not be read out. */}
        <span role="timer" aria-live="off">
          Try again in {inWords(form.wait)}.
        </span>
      </Notice>
    );
  }
  return form.problems.form && <Notice tone="bad">{form.problems.form}</Notice>;
}

import { type ComponentProps, type ReactNode, useId, useState } from "react";
import type { Problems } from "./form.ts";

interface FieldProps extends Omit<ComponentProps<"input">, "id"> {
  label: string;
  name: string;
  problems: Problems;
  hint?: ReactNode;
}

/** A labelled input; its hint and its problem are described to assistive technology together with it. */
export function Field({ label, problems, hint, children, ...input }: FieldProps) {
  const id = useId();
  const problem = problems.fields[input.name];
  const describedBy = [hint && `${id}-hint`, problem && `${id}-problem`].filter(Boolean).join(" ");
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <div className="field-box">
        <input
          {...input}
          id={id}
          aria-invalid={problem !== undefined}
          aria-describedby={describedBy || undefined}
        />
        {children}
      </div>
      {hint && (
        <p className="field-hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
      {problem && (
        <p className="field-problem" id={`${id}-problem`}>
          {problem}
        </p>
      )}
    </div>
  );
}

/** A password input whose text can be shown. */
export function PasswordField(props: Omit<FieldProps, "type" | "children">) {
  const [shown, setShown] = useState(false);
  return (
    <Field {...props} type={shown ? "text" : "password"} spellCheck={false} autoCapitalize="none">
      <button
        type="button"
        className="field-action"
        aria-pressed={shown}
        aria-label="Show password"
        onClick={() => setShown(!shown)}
      >
        {shown ? "Hide" : "Show"}
      </button>
    </Field>
  );
}

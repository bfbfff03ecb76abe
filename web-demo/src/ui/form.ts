import { type FormEvent, useEffect, useRef, useState } from "react";
import { fieldOf, messageFor } from "../messages.ts";

/** What is wrong with a form: sentences for single fields by name, and one for the form as a whole. */
export interface Problems {
  fields: Readonly<Record<string, string>>;
  form: string | null;
}

const NONE: Problems = { fields: {}, form: null };

/** A form's state, and the handler for its `onSubmit`. */
export interface FormState {
  ref: React.RefObject<HTMLFormElement | null>;
  busy: boolean;
  problems: Problems;
  onSubmit(event: FormEvent<HTMLFormElement>): void;
}

interface FormRules<Name extends string> {
  fields: readonly Name[];
  /** Sentences for the fields that cannot be sent as they are. */
  check(values: Record<Name, string>): Partial<Record<Name, string>>;
  send(values: Record<Name, string>): Promise<void>;
}

/**
 * Sends a form: checks it, refuses a second press while busy, attaches each problem to its field and moves the focus
 * to the first of them. What the server says of a field that the form does not have is said of the whole form.
 */
export function useForm<Name extends string>(rules: FormRules<Name>): FormState {
  const ref = useRef<HTMLFormElement>(null);
  const [busy, setBusy] = useState(false);
  const [problems, setProblems] = useState(NONE);

  useEffect(() => {
    if (Object.keys(problems.fields).length > 0) {
      ref.current?.querySelector<HTMLElement>("[aria-invalid='true']")?.focus();
    }
  }, [problems]);

  async function submit(data: FormData) {
    const entries = rules.fields.map((name) => [name, String(data.get(name) ?? "")] as const);
    const values = Object.fromEntries(entries) as Record<Name, string>;
    const wrong = rules.check(values);
    if (Object.keys(wrong).length > 0) {
      setProblems({ fields: wrong as Record<string, string>, form: null });
      return;
    }
    setBusy(true);
    setProblems(NONE);
    try {
      await rules.send(values);
    } catch (error) {
      setProblems(problemsOf(error, rules.fields));
    } finally {
      setBusy(false);
    }
  }

  return {
    ref,
    busy,
    problems,
    onSubmit(event) {
      event.preventDefault();
      if (!busy) void submit(new FormData(event.currentTarget));
    },
  };
}

function problemsOf(error: unknown, fields: readonly string[]): Problems {
  const text = messageFor(error);
  const field = fieldOf(error);
  if (field !== null && fields.includes(field)) return { fields: { [field]: text }, form: null };
  return { fields: {}, form: text };
}

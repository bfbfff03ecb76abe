import { CountersignError } from "@countersign/client";
import { type FormEvent, useEffect, useRef, useState } from "react";
import { fieldOf, messageFor } from "../messages.ts";
import { useCountdown } from "./countdown.ts";

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
  /** For how many seconds the server takes no more tries; 0 when it does. */
  wait: number;
  problems: Problems;
  onSubmit(event: FormEvent<HTMLFormElement>): void;
}

interface FormRules<Name extends string> {
  fields: readonly Name[];
  /** Sentences for the fields that cannot be sent as they are; what is not a sentence says that the field is good. */
  check(values: Record<Name, string>): Partial<Record<Name, string | false | null>>;
  send(values: Record<Name, string>): Promise<void>;
  /** The field that holds the user's own password: it is to blame when that is wrong. */
  password?: Name;
}

/**
 * Sends a form: checks it, refuses a second press while busy, attaches each problem to its field and moves the focus
 * to the first of them. What the server says of a field that the form does not have is said of the whole form.
 */
export function useForm<Name extends string>(rules: FormRules<Name>): FormState {
  const ref = useRef<HTMLFormElement>(null);
  const [busy, setBusy] = useState(false);
  const [problems, setProblems] = useState(NONE);
  const [wait, startWait] = useCountdown();

  useEffect(() => {
    if (Object.keys(problems.fields).length > 0) {
      ref.current?.querySelector<HTMLElement>("[aria-invalid='true']")?.focus();
    }
  }, [problems]);

  async function submit(data: FormData) {
    const entries = rules.fields.map((name) => [name, String(data.get(name) ?? "")] as const);
    const values = Object.fromEntries(entries) as Record<Name, string>;
    const checked = Object.entries<string | false | null | undefined>(rules.check(values));
    const wrong = checked.flatMap(([name, sentence]) => (sentence ? [[name, sentence]] : []));
    if (wrong.length > 0) {
      setProblems({ fields: Object.fromEntries(wrong), form: null });
      return;
    }
    setBusy(true);
    setProblems(NONE);
    try {
      await rules.send(values);
    } catch (error) {
      if (isThrottled(error)) startWait(error.retryAfter);
      else setProblems(problemsOf(error, rules));
    } finally {
      setBusy(false);
    }
  }

  return {
    ref,
    busy,
    wait,
    problems,
    onSubmit(event) {
      event.preventDefault();
      if (!busy && wait === 0) void submit(new FormData(event.currentTarget));
    },
  };
}

function isThrottled(error: unknown): error is CountersignError & { retryAfter: number } {
  return (
    error instanceof CountersignError &&
    error.code === "RATE_LIMITED" &&
    error.retryAfter !== undefined
  );
}

function problemsOf(error: unknown, { fields, password }: FormRules<string>): Problems {
  if (password && error instanceof CountersignError && error.reason === "BAD_CREDENTIALS") {
    return { fields: { [password]: "This is not your password." }, form: null };
  }
  const text = messageFor(error);
  const field = fieldOf(error);
  if (field !== null && fields.includes(field)) return { fields: { [field]: text }, form: null };
  return { fields: {}, form: text };
}

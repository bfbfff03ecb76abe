import type { User } from "@countersign/client";
import { useState } from "react";
import { client } from "../client.ts";
import { UPDATE_PROFILE } from "../queries.ts";
import { Button } from "../ui/button.tsx";
import { Field } from "../ui/field.tsx";
import { useForm } from "../ui/form.ts";
import { FormProblem } from "../ui/form-problem.tsx";
import { useFreshSignIn } from "../ui/fresh-sign-in.tsx";
import { Notice } from "../ui/notice.tsx";

interface ProfileFormProps {
  me: User;
  field: "name" | "email";
  title: string;
  label: string;
  empty: string;
  hint?: string;
  onChanged(): void;
}

/** Changes one field of the profile, then renews the token so that the whole page knows. */
export function ProfileForm({ me, field, title, label, empty, hint, onChanged }: ProfileFormProps) {
  const withFreshSignIn = useFreshSignIn();
  const [saved, setSaved] = useState(false);
  const form = useForm({
    fields: [field],
    check: (values) => ({ [field]: values[field].trim() === "" && empty }),
    send: async (input) => {
      await withFreshSignIn(() => client.request(UPDATE_PROFILE, { input }));
      setSaved(true);
      onChanged();
      // The change is stored already: where this renewal fails, the next one brings the new name.
      client.session.token({ force: true }).catch(() => {});
    },
  });
  return (
    <form
      className="card"
      ref={form.ref}
      onSubmit={form.onSubmit}
      onInput={() => setSaved(false)}
      noValidate
    >
      <h2>{title}</h2>
      <FormProblem form={form} />
      {saved && <Notice tone="good">Saved.</Notice>}
      <Field
        label={label}
        name={field}
        type={field === "email" ? "email" : "text"}
        autoComplete={field}
        defaultValue={me[field]}
        required
        hint={hint}
        problems={form.problems}
      />
      <Button type="submit" busy={form.busy} waiting={form.wait > 0}>
        {form.busy ? "Saving…" : "Save"}
      </Button>
    </form>
  );
}

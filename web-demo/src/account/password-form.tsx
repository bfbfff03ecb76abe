import type { User } from "@countersign/client";
import { useState } from "react";
import { client } from "../client.ts";
import { useNewPassword } from "../password.ts";
import { Button } from "../ui/button.tsx";
import { PasswordField } from "../ui/field.tsx";
import { useForm } from "../ui/form.ts";
import { FormProblem } from "../ui/form-problem.tsx";
import { Notice } from "../ui/notice.tsx";
import { StrengthMeter, useStrength } from "../ui/strength.tsx";

/** Changes the password, which signs every other device out. */
export function PasswordForm({ user }: { user: User }) {
  const policy = useNewPassword();
  const [changed, setChanged] = useState(false);
  const [strength, onInput] = useStrength("newPassword", user);
  const form = useForm({
    fields: ["currentPassword", "newPassword"],
    check: ({ currentPassword, newPassword }) => ({
      currentPassword: currentPassword === "" && "Please give your current password.",
      newPassword: policy.problem(newPassword),
    }),
    send: async (input) => {
      await client.changePassword(input);
      form.ref.current?.reset();
      setChanged(true);
    },
    password: "currentPassword",
  });
  return (
    <form
      className="card"
      ref={form.ref}
      onSubmit={form.onSubmit}
      onInput={(event) => {
        setChanged(false);
        onInput(event);
      }}
      noValidate
    >
      <h2>Change your password</h2>
      <FormProblem form={form} />
      {changed && (
        <Notice tone="good">
          Your password is changed. You stay signed in here; every other device has been signed out.
        </Notice>
      )}
      {/* Tells password managers whose password this is. */}
      <input
        type="text"
        name="username"
        autoComplete="username"
        value={user.email}
        readOnly
        hidden
      />
      <PasswordField
        label="Current password"
        name="currentPassword"
        autoComplete="current-password"
        required
        problems={form.problems}
      />
      <PasswordField
        label="New password"
        name="newPassword"
        autoComplete="new-password"
        required
        hint={policy.hint}
        problems={form.problems}
      />
      {!changed && <StrengthMeter strength={strength} />}
      <Button type="submit" busy={form.busy} waiting={form.wait > 0}>
        {form.busy ? "Changing…" : "Change password"}
      </Button>
    </form>
  );
}

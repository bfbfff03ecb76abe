import { useState } from "react";
import { client } from "../client.ts";
import { useNewPassword } from "../password.ts";
import { Button } from "../ui/button.tsx";
import { PasswordField } from "../ui/field.tsx";
import { useForm } from "../ui/form.ts";
import { Notice } from "../ui/notice.tsx";

/** Changes the password, which signs every other device out. */
export function PasswordForm({ email }: { email: string }) {
  const policy = useNewPassword();
  const [changed, setChanged] = useState(false);
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
      onInput={() => setChanged(false)}
      noValidate
    >
      <h2>Change your password</h2>
      {form.problems.form && <Notice tone="bad">{form.problems.form}</Notice>}
      {changed && (
        <Notice tone="good">
          Your password is changed. You stay signed in here; every other device has been signed out.
        </Notice>
      )}
      {/* Tells password managers whose password this is. */}
      <input type="text" name="username" autoComplete="username" value={email} readOnly hidden />
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
      <Button type="submit" busy={form.busy}>
        {form.busy ? "Changing…" : "Change password"}
      </Button>
    </form>
  );
}

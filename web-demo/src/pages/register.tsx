import { Link } from "react-router";
import { client } from "../client.ts";
import { useNewPassword } from "../password.ts";
import { Button } from "../ui/button.tsx";
import { Field, PasswordField } from "../ui/field.tsx";
import { useForm } from "../ui/form.ts";
import { Notice } from "../ui/notice.tsx";
import { Page } from "../ui/page.tsx";

/** Create an account; whoever does is signed in with it. */
export function RegisterPage() {
  const newPassword = useNewPassword();
  const form = useForm({
    fields: ["name", "email", "password"],
    check: ({ name, email, password }) => ({
      name: name.trim() === "" && "Please give your name.",
      email: email.trim() === "" && "Please give your e-mail address.",
      password: newPassword.problem(password),
    }),
    send: async (input) => {
      await client.register(input);
    },
  });
  return (
    <Page title="Create an account" className="narrow">
      <form className="card" ref={form.ref} onSubmit={form.onSubmit} noValidate>
        {form.problems.form && <Notice tone="bad">{form.problems.form}</Notice>}
        <Field label="Name" name="name" autoComplete="name" required problems={form.problems} />
        <Field
          label="E-mail"
          name="email"
          type="email"
          autoComplete="username"
          autoCapitalize="none"
          spellCheck={false}
          required
          problems={form.problems}
        />
        <PasswordField
          label="Password"
          name="password"
          autoComplete="new-password"
          required
          hint={newPassword.hint}
          problems={form.problems}
        />
        <Button look="primary" type="submit" busy={form.busy}>
          {form.busy ? "Creating…" : "Create account"}
        </Button>
      </form>
      <p className="aside">
        Have an account? <Link to="/sign-in">Sign in</Link>
      </p>
    </Page>
  );
}

import { Link } from "react-router";
import { client } from "../client.ts";
import { useNewPassword } from "../password.ts";
import { Button } from "../ui/button.tsx";
import { Field, PasswordField } from "../ui/field.tsx";
import { useForm } from "../ui/form.ts";
import { FormProblem } from "../ui/form-problem.tsx";
import { Page } from "../ui/page.tsx";
import { StrengthMeter, useStrength } from "../ui/strength.tsx";

/** Create an account; whoever does is signed in with it. */
export function RegisterPage() {
  const newPassword = useNewPassword();
  const [strength, onInput] = useStrength("password");
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
      <form className="card" ref={form.ref} onSubmit={form.onSubmit} onInput={onInput} noValidate>
        <FormProblem form={form} />
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
        <StrengthMeter strength={strength} />
        <Button look="primary" type="submit" busy={form.busy} waiting={form.wait > 0}>
          {form.busy ? "Creating…" : "Create account"}
        </Button>
      </form>
      <p className="aside">
        Have an account? <Link to="/sign-in">Sign in</Link>
      </p>
    </Page>
  );
}

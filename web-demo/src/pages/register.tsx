import { Link } from "react-router";
import { useAnswer } from "../answer.ts";
import { client } from "../client.ts";
import { PASSWORD_POLICY, type PasswordPolicyData } from "../queries.ts";
import { Button } from "../ui/button.tsx";
import { Field, PasswordField } from "../ui/field.tsx";
import { useForm } from "../ui/form.ts";
import { Notice } from "../ui/notice.tsx";
import { Page } from "../ui/page.tsx";

type Policy = PasswordPolicyData["passwordPolicy"];

/** Create an account; whoever does is signed in with it. */
export function RegisterPage() {
  const policy = useAnswer<PasswordPolicyData>(PASSWORD_POLICY).data?.passwordPolicy;
  const form = useForm({
    fields: ["name", "email", "password"],
    check: ({ name, email, password }) => ({
      ...(name.trim() === "" && { name: "Please give your name." }),
      ...(email.trim() === "" && { email: "Please give your e-mail address." }),
      ...passwordProblem(password, policy),
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
          hint={
            policy &&
            `${policy.minLength} to ${policy.maxLength} characters. Long beats complicated.`
          }
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

/** Says what can be said before asking the server, which decides and also knows what is easy to guess. */
function passwordProblem(password: string, policy: Policy | undefined): { password?: string } {
  if (password === "") return { password: "Please choose a password." };
  const length = [...password.normalize("NFC")].length;
  if (policy && length < policy.minLength) {
    return { password: `Please use at least ${policy.minLength} characters; this has ${length}.` };
  }
  if (policy && length > policy.maxLength) {
    return { password: `Please use at most ${policy.maxLength} characters; this has ${length}.` };
  }
  return {};
}

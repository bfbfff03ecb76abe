import { Link, useLocation } from "react-router";
import { client, useSession } from "../client.ts";
import { goodbyeFor } from "../messages.ts";
import { Button } from "../ui/button.tsx";
import { Field, PasswordField } from "../ui/field.tsx";
import { useForm } from "../ui/form.ts";
import { FormProblem } from "../ui/form-problem.tsx";
import { Notice } from "../ui/notice.tsx";
import { Page } from "../ui/page.tsx";

/** Sign in with e-mail and password. A good sign-in changes the session, and the route leads on from there. */
export function SignInPage() {
  const form = useForm({
    fields: ["email", "password"],
    check: ({ email, password }) => ({
      email: email.trim() === "" && "Please give your e-mail address.",
      password: password === "" && "Please give your password.",
    }),
    send: async (input) => {
      await client.login(input);
    },
  });
  return (
    <Page title="Sign in" className="narrow">
      <Farewell />
      <form className="card" ref={form.ref} onSubmit={form.onSubmit} noValidate>
        <FormProblem form={form} />
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
          autoComplete="current-password"
          required
          problems={form.problems}
        />
        <Button look="primary" type="submit" busy={form.busy} waiting={form.wait > 0}>
          {form.busy ? "Signing in…" : "Sign in"}
        </Button>
      </form>
      <p className="aside">
        New here? <Link to="/register">Create an account</Link>
      </p>
    </Page>
  );
}

/** Why the visitor stands here, if they did not come by themselves. */
function Farewell() {
  const { status, reason } = useSession();
  const { state } = useLocation();
  const why = goodbyeFor(reason);
  if (status === "signed-out" && why !== null) return <Notice tone="warning">{why}</Notice>;
  if (status === "signed-out") return <Notice tone="info">You have signed out.</Notice>;
  if (state?.from) return <Notice tone="info">Please sign in to see that page.</Notice>;
  return null;
}

import { useEffect, useState } from "react";
import { Link, useLocation, useNavigate } from "react-router";
import { client } from "../client.ts";
import { useNewPassword } from "../password.ts";
import { Button } from "../ui/button.tsx";
import { Done } from "../ui/done.tsx";
import { PasswordField } from "../ui/field.tsx";
import { useForm } from "../ui/form.ts";
import { FormProblem } from "../ui/form-problem.tsx";
import { Notice } from "../ui/notice.tsx";
import { Page } from "../ui/page.tsx";
import { StrengthMeter, useStrength } from "../ui/strength.tsx";

/** Where a recovery link leads: sets a new password by its token. */
export function RecoverPage() {
  const token = useTokenOfLink();
  const [done, setDone] = useState(false);
  return (
    <Page title="Set a new password" className="narrow">
      {done && (
        <>
          <Done>
            Your password is changed, and every device that was signed in has been signed out.
          </Done>
          <p className="aside">
            <Link to="/sign-in">Sign in with the new password</Link>
          </p>
        </>
      )}
      {!done && token !== null && <NewPassword token={token} onDone={() => setDone(true)} />}
      {!done && token === null && (
        <Notice tone="info">
          This page needs the whole link that you were given. Please open it again, or ask for a new
          one.
        </Notice>
      )}
    </Page>
  );
}

/** The token behind `#token=`, which leaves the address bar and the history at once. */
function useTokenOfLink(): string | null {
  const { hash, pathname } = useLocation();
  const navigate = useNavigate();
  const given = new URLSearchParams(hash.slice(1)).get("token");
  const [token, setToken] = useState(given);
  useEffect(() => {
    if (given === null) return;
    setToken(given);
    void navigate(pathname, { replace: true });
  }, [given, pathname, navigate]);
  return token;
}

function NewPassword({ token, onDone }: { token: string; onDone: () => void }) {
  const policy = useNewPassword();
  const [strength, onInput] = useStrength("newPassword");
  const form = useForm({
    fields: ["newPassword"],
    check: ({ newPassword }) => ({ newPassword: policy.problem(newPassword) }),
    send: async ({ newPassword }) => {
      await client.recover({ token, newPassword });
      onDone();
    },
  });
  return (
    <form className="card" ref={form.ref} onSubmit={form.onSubmit} onInput={onInput} noValidate>
      <FormProblem form={form} />
      <PasswordField
        label="New password"
        name="newPassword"
        autoComplete="new-password"
        required
        hint={policy.hint}
        problems={form.problems}
      />
      <StrengthMeter strength={strength} />
      <Button look="primary" type="submit" busy={form.busy} waiting={form.wait > 0}>
        {form.busy ? "Setting…" : "Set password"}
      </Button>
    </form>
  );
}

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
  // The token whose link was used here: another link may be opened in the same tab.
  const [used, setUsed] = useState<string | null>(null);
  const done = token !== null && token === used;
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
      {!done && token !== null && (
        <NewPassword key={token} token={token} onDone={() => setUsed(token)} />
      )}
      {!done && token === null && (
        <Notice tone="info">
          This page needs the whole link that you were given. Please open it again, or ask for a new
          one.
        </Notice>
      )}
    </Page>
  );
}

/** The token behind `#token=`, which leaves the address bar and the history at once; null when it is not there whole. */
function useTokenOfLink(): string | null {
  const { hash, pathname } = useLocation();
  const navigate = useNavigate();
  const [token, setToken] = useState(() => tokenIn(hash));
  useEffect(() => {
    if (hash === "") return;
    setToken(tokenIn(hash));
    void navigate(pathname, { replace: true });
  }, [hash, pathname, navigate]);
  return token;
}

/** 32 bytes in base64url: a link that was cut off is told before a password is thought of. */
function tokenIn(hash: string): string | null {
  const token = new URLSearchParams(hash.slice(1)).get("token") ?? "";
  return /^[\w-]{43}$/.test(token) ? token : null;
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

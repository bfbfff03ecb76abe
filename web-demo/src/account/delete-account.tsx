import { useState } from "react";
import { client } from "../client.ts";
import { Button } from "../ui/button.tsx";
import { PasswordDialog } from "../ui/form-dialog.tsx";

/** Deletes the account, after its password was given once more. */
export function DeleteAccount() {
  const [asking, setAsking] = useState(false);
  return (
    <section className="card" aria-labelledby="delete-account">
      <h2 id="delete-account">Delete account</h2>
      <p>
        Your name, your address and your password are deleted, and every device is signed out. What
        stays is the record of what happened. There is no way back.
      </p>
      <Button look="danger" onClick={() => setAsking(true)}>
        Delete account…
      </Button>
      {asking && (
        <PasswordDialog
          title="Delete your account?"
          confirm="Delete my account"
          look="danger"
          send={(password) => client.deleteAccount(password)}
          onClose={() => setAsking(false)}
        >
          <p>It is gone at once, for good, on every device.</p>
        </PasswordDialog>
      )}
    </section>
  );
}

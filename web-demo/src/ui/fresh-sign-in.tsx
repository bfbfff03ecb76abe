import { CountersignError } from "@countersign/client";
import { createContext, type ReactNode, useCallback, useContext, useState } from "react";
import { client } from "../client.ts";
import { PasswordDialog } from "./form-dialog.tsx";

type WithFreshSignIn = <T>(act: () => Promise<T>) => Promise<T>;

const Context = createContext<WithFreshSignIn>((act) => act());

/**
 * Does `act`; where the server wants a fresh sign-in for it, asks for the password and does it once more. Where that is
 * cancelled, it fails with the server's refusal.
 */
export function useFreshSignIn(): WithFreshSignIn {
  return useContext(Context);
}

/** Asks for the password on behalf of the pages in it. */
export function FreshSignIn({ children }: { children: ReactNode }) {
  const [answer, setAnswer] = useState<((isProven: boolean) => void) | null>(null);
  const withFreshSignIn = useCallback<WithFreshSignIn>(async (act) => {
    try {
      return await act();
    } catch (error) {
      if (!wantsFreshSignIn(error)) throw error;
      const isProven = await new Promise<boolean>((resolve) => setAnswer(() => resolve));
      setAnswer(null);
      if (!isProven) throw error;
      return await act();
    }
  }, []);
  return (
    <Context value={withFreshSignIn}>
      {children}
      {answer && (
        <PasswordDialog
          title="Is it still you?"
          confirm="Continue"
          look="primary"
          send={async (password) => {
            await client.reauthenticate(password);
            answer(true);
          }}
          onClose={() => answer(false)}
        >
          <p>You signed in a while ago, and this change needs your password again.</p>
        </PasswordDialog>
      )}
    </Context>
  );
}

function wantsFreshSignIn(error: unknown): boolean {
  return error instanceof CountersignError && error.reason === "REAUTHENTICATION_REQUIRED";
}

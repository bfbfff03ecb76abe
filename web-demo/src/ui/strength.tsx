import { type FormEvent, useEffect, useState } from "react";
import { client } from "../client.ts";
import { PASSWORD_STRENGTH, type PasswordStrengthData, type Strength } from "../queries.ts";

/** How long nobody has to type before the server is asked. */
const PAUSE_MS = 300;

const WORDS = ["Very weak", "Weak", "Not strong enough", "Strong", "Very strong"];

interface Typed {
  password: string;
  email?: string;
  name?: string;
}

/**
 * How strong the password in a form's field is, and the form's `onInput` that keeps it so. What is known of the user
 * already is `user`; else the form's own fields tell it.
 */
export function useStrength(
  field: string,
  user?: { email: string; name: string },
): [Strength | null, (event: FormEvent<HTMLFormElement>) => void] {
  const [typed, setTyped] = useState<Typed>({ password: "" });
  const [strength, setStrength] = useState<Strength | null>(null);
  useEffect(() => {
    if (typed.password === "") {
      setStrength(null);
      return;
    }
    const abort = new AbortController();
    const timer = setTimeout(() => {
      client
        .request<PasswordStrengthData>(PASSWORD_STRENGTH, { ...typed }, { signal: abort.signal })
        .then(
          ({ passwordStrength }) => {
            if (!abort.signal.aborted) setStrength(passwordStrength);
          },
          // The form can be sent without: the server decides then.
          () => {
            if (!abort.signal.aborted) setStrength(null);
          },
        );
    }, PAUSE_MS);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [typed]);
  return [
    strength,
    (event) => {
      const data = new FormData(event.currentTarget);
      const text = (name: string) => String(data.get(name) ?? "");
      setTyped({
        password: text(field),
        email: user?.email ?? text("email"),
        name: user?.name ?? text("name"),
      });
    },
  ];
}

/** A password's strength in words and as a bar; read out when it changes. */
export function StrengthMeter({ strength }: { strength: Strength | null }) {
  return (
    <div className="strength" role="status">
      {strength && (
        <>
          <div className="strength-bar" data-accepted={strength.accepted} aria-hidden="true">
            {[1, 2, 3, 4].map((step) => (
              <span key={step} className={step <= strength.score ? "filled" : undefined} />
            ))}
          </div>
          <p>
            <strong>{wordFor(strength)}.</strong> {strength.warning}
          </p>
          {strength.suggestions.length > 0 && (
            <ul>
              {strength.suggestions.map((suggestion) => (
                <li key={suggestion}>{suggestion}</li>
              ))}
            </ul>
          )}
        </>
      )}
    </div>
  );
}

/** A hard one may be refused too: for its length, or as one that was stolen elsewhere. */
function wordFor({ score, accepted }: Strength): string {
  return !accepted && score > 2 ? "Not to be used" : (WORDS[score] ?? "Strong");
}

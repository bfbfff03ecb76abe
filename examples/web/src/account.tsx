import type { Client } from "@countersign/client";
import { useSession } from "@countersign/client/react";
import { type FormEvent, Fragment, type ReactNode, useState } from "react";

/** Signs in and out; `children` are for who is signed in. */
export function Account({ client, children }: { client: Client; children?: ReactNode }) {
  const { status, user, sessionId } = useSession(client.session);
  if (status === "restoring") return <p>One moment…</p>;
  if (user === null) return <SignIn client={client} />;
  return (
    <main>
      <p>
        Signed in as {user.name}, {user.role}
      </p>
      {/* Nothing of one user's is left for the next. */}
      <Fragment key={sessionId}>{children}</Fragment>
      <button type="button" onClick={() => client.logout()}>
        Sign out
      </button>
    </main>
  );
}

function SignIn({ client }: { client: Client }) {
  const [problem, setProblem] = useState("");

  async function submit(event: FormEvent<HTMLFormElement>): Promise<void> {
    event.preventDefault();
    const fields = new FormData(event.currentTarget);
    const input = { email: String(fields.get("email")), password: String(fields.get("password")) };
    await client.login(input).catch((error: Error) => setProblem(error.message));
  }

  return (
    <form onSubmit={submit}>
      <label>
        E-mail <input name="email" type="email" autoComplete="username" required />
      </label>
      <label>
        Password <input name="password" type="password" autoComplete="current-password" required />
      </label>
      <button type="submit">Sign in</button>
      <p role="alert">{problem}</p>
    </form>
  );
}

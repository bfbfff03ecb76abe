import type { User } from "@countersign/client";
import { useState } from "react";
import { Link, useNavigate } from "react-router";
import { client } from "../client.ts";
import {
  DELETE_USER,
  END_SESSIONS,
  type EndSessionsData,
  SET_DISABLED,
  SET_ROLE,
} from "../queries.ts";
import { Button } from "../ui/button.tsx";
import { ConfirmButton } from "../ui/confirm-button.tsx";
import { Done } from "../ui/done.tsx";
import { useForm } from "../ui/form.ts";
import { FormProblem } from "../ui/form-problem.tsx";
import { useFreshSignIn } from "../ui/fresh-sign-in.tsx";
import { Notice } from "../ui/notice.tsx";

interface AdministrationProps {
  person: User;
  /** Administrators do not change their own account here: they could lock themselves out. */
  isOwn: boolean;
  onChanged(): void;
}

/** What an administrator can do to somebody's account; it takes effect at once, wherever they are signed in. */
export function Administration({ person, isOwn, onChanged }: AdministrationProps) {
  const withFreshSignIn = useFreshSignIn();
  const navigate = useNavigate();
  const [done, setDone] = useState<string | null>(null);

  async function act<T>(mutation: string, variables: Record<string, unknown> = {}): Promise<T> {
    setDone(null);
    return withFreshSignIn(() => client.request(mutation, { userId: person.id, ...variables }));
  }

  function tell(sentence: string) {
    setDone(sentence);
    onChanged();
  }

  async function disable(disabled: boolean) {
    await act(SET_DISABLED, { disabled });
    tell(disabled ? "Switched off, and signed out everywhere." : "Switched on again.");
  }

  async function endSessions() {
    const { endSessions: count } = await act<EndSessionsData>(END_SESSIONS);
    tell(count === 1 ? "One session ended." : `${count} sessions ended.`);
  }

  async function remove() {
    await act(DELETE_USER);
    navigate("/people", { state: { deleted: person.name } });
  }

  return (
    <section className="card" aria-labelledby="administration">
      <h2 id="administration">Administration</h2>
      {isOwn && (
        <Notice tone="info">
          This is your own account, which only another administrator can change here. Yours to use
          are <Link to="/account">Account</Link> and <Link to="/sessions">Sessions</Link>.
        </Notice>
      )}
      {done && <Done>{done}</Done>}
      <fieldset className="acts" disabled={isOwn}>
        <legend className="visually-hidden">Change this account</legend>
        <RoleForm
          person={person}
          save={async (role) => {
            await act(SET_ROLE, { role });
            tell(`The role is now ${role}, in every open page too.`);
          }}
        />
        <div className="actions">
          {person.disabled ? (
            <SwitchOn act={() => disable(false)} />
          ) : (
            <ConfirmButton
              label="Switch off"
              title={`Switch ${person.name} off?`}
              confirm="Switch off"
              act={() => disable(true)}
            >
              <p>
                Every session ends at once, and nobody can sign in until you switch it on again.
              </p>
            </ConfirmButton>
          )}
          <ConfirmButton
            label="End all sessions"
            title={`Sign ${person.name} out everywhere?`}
            confirm="End all sessions"
            act={endSessions}
          >
            <p>They can sign in again at once.</p>
          </ConfirmButton>
          <ConfirmButton
            label="Delete"
            look="danger"
            title={`Delete ${person.name}?`}
            confirm="Delete for good"
            act={remove}
          >
            <p>
              The account <strong>{person.email}</strong> is deleted and signed out everywhere. What
              stays is the audit trail. There is no way back.
            </p>
          </ConfirmButton>
        </div>
      </fieldset>
    </section>
  );
}

function RoleForm({ person, save }: { person: User; save(role: string): Promise<void> }) {
  const form = useForm({
    fields: ["role"],
    check: () => ({}),
    send: ({ role }) => save(role),
  });
  return (
    <form ref={form.ref} onSubmit={form.onSubmit} className="role-form">
      <FormProblem form={form} />
      <label htmlFor="role">Role</label>
      <div>
        <select id="role" name="role" defaultValue={person.role} key={person.role}>
          <option>USER</option>
          <option>MANAGER</option>
          <option>ADMIN</option>
        </select>
        <Button type="submit" busy={form.busy} waiting={form.wait > 0}>
          {form.busy ? "Saving…" : "Save role"}
        </Button>
      </div>
    </form>
  );
}

/** Harms nobody, so it is not asked for twice. */
function SwitchOn({ act }: { act(): Promise<void> }) {
  const form = useForm({ fields: [], check: () => ({}), send: act });
  return (
    <form ref={form.ref} onSubmit={form.onSubmit}>
      <FormProblem form={form} />
      <Button type="submit" busy={form.busy} waiting={form.wait > 0}>
        Switch on
      </Button>
    </form>
  );
}

import type { User } from "@countersign/client";
import { useState } from "react";
import { useAnswer } from "../answer.ts";
import { client, useSession } from "../client.ts";
import { ME, type MeData, UPDATE_PROFILE, type UpdateProfileData } from "../queries.ts";
import { date, timeOfDay } from "../time.ts";
import { Button } from "../ui/button.tsx";
import { Failure } from "../ui/failure.tsx";
import { Field } from "../ui/field.tsx";
import { useForm } from "../ui/form.ts";
import { Notice } from "../ui/notice.tsx";
import { Page } from "../ui/page.tsx";
import { RolePill } from "../ui/role-pill.tsx";

/** The signed-in user's account, as the database has it, and the forms that change it. */
export function AccountPage() {
  const answer = useAnswer<MeData>(ME);
  const [changed, setChanged] = useState<User | null>(null);
  const me = changed ?? answer.data?.me;
  return (
    <Page title="Your account" lead="Read from the database just now, not from the token.">
      <Failure answer={answer} />
      {me && (
        <div className="columns">
          <div>
            <Facts me={me} />
            <ThisSession />
          </div>
          <div>
            <ProfileForm
              me={me}
              field="name"
              title="Change your name"
              label="Name"
              empty="Please give your name."
              onChanged={setChanged}
            />
            <ProfileForm
              me={me}
              field="email"
              title="Change your e-mail address"
              label="E-mail"
              empty="Please give your e-mail address."
              hint="Needs a sign-in younger than 10 minutes."
              onChanged={setChanged}
            />
          </div>
        </div>
      )}
    </Page>
  );
}

function Facts({ me }: { me: User }) {
  return (
    <section className="card" aria-labelledby="facts">
      <h2 id="facts">{me.name}</h2>
      <dl className="facts">
        <dt>E-mail</dt>
        <dd>
          {me.email} {!me.emailVerified && <span className="muted">(not proven yet)</span>}
        </dd>
        <dt>Role</dt>
        <dd>
          <RolePill role={me.role} />
        </dd>
        <dt>Member since</dt>
        <dd>
          <time dateTime={me.createdAt}>{date(Date.parse(me.createdAt))}</time>
        </dd>
        <dt>Account id</dt>
        <dd>
          <code>{me.id}</code>
        </dd>
      </dl>
    </section>
  );
}

function ThisSession() {
  const { sessionId, expiresAt } = useSession();
  return (
    <section className="card" aria-labelledby="session">
      <h2 id="session">This session</h2>
      <dl className="facts">
        <dt>Session id</dt>
        <dd>
          <code>{sessionId}</code>
        </dd>
        {expiresAt !== null && (
          <>
            <dt>Token until</dt>
            <dd>
              <time dateTime={new Date(expiresAt).toISOString()}>{timeOfDay(expiresAt)}</time>, then
              renewed by itself
            </dd>
          </>
        )}
      </dl>
    </section>
  );
}

interface ProfileFormProps {
  me: User;
  field: "name" | "email";
  title: string;
  label: string;
  empty: string;
  hint?: string;
  onChanged(user: User): void;
}

/** Changes one field of the profile, then renews the token so that the whole page knows. */
function ProfileForm({ me, field, title, label, empty, hint, onChanged }: ProfileFormProps) {
  const [saved, setSaved] = useState(false);
  const form = useForm({
    fields: [field],
    check: (values) => {
      setSaved(false);
      return values[field].trim() === "" ? { [field]: empty } : {};
    },
    send: async (input) => {
      const { updateProfile } = await client.request<UpdateProfileData>(UPDATE_PROFILE, { input });
      onChanged(updateProfile);
      setSaved(true);
      // The change is stored already: where this renewal fails, the next one brings the new name.
      client.session.token({ force: true }).catch(() => {});
    },
  });
  return (
    <form className="card" ref={form.ref} onSubmit={form.onSubmit} noValidate>
      <h2>{title}</h2>
      {form.problems.form && <Notice tone="bad">{form.problems.form}</Notice>}
      {saved && <Notice tone="good">Saved.</Notice>}
      <Field
        label={label}
        name={field}
        type={field === "email" ? "email" : "text"}
        autoComplete={field}
        defaultValue={me[field]}
        required
        hint={hint}
        problems={form.problems}
      />
      <Button type="submit" busy={form.busy}>
        {form.busy ? "Saving…" : "Save"}
      </Button>
    </form>
  );
}

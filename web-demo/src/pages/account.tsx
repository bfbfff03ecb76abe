import type { User } from "@countersign/client";
import { Link } from "react-router";
import { DeleteAccount } from "../account/delete-account.tsx";
import { PasswordForm } from "../account/password-form.tsx";
import { ProfileForm } from "../account/profile-form.tsx";
import { useAnswer } from "../answer.ts";
import { useSession } from "../client.ts";
import { ME, type MeData } from "../queries.ts";
import { date, timeOfDay } from "../time.ts";
import { Failure } from "../ui/failure.tsx";
import { Page } from "../ui/page.tsx";
import { RolePill } from "../ui/role-pill.tsx";

/** The signed-in user's account, as the database has it, and the forms that change it. */
export function AccountPage() {
  const { user } = useSession();
  // What changed in the session's user, from here or from elsewhere, is read again.
  const answer = useAnswer<MeData>(ME, {}, JSON.stringify(user));
  const me = answer.data?.me;
  return (
    <Page title="Your account" lead="Read from the database just now, not from the token.">
      <Failure answer={answer} />
      {me && (
        <div className="columns">
          <div>
            <Facts me={me} />
            <ThisSession />
            <ProfileForm
              me={me}
              field="name"
              title="Change your name"
              label="Name"
              empty="Please give your name."
              onChanged={answer.askAgain}
            />
          </div>
          <div>
            <ProfileForm
              me={me}
              field="email"
              title="Change your e-mail address"
              label="E-mail"
              empty="Please give your e-mail address."
              hint="Asks for your password if you signed in a while ago."
              onChanged={answer.askAgain}
            />
            <PasswordForm user={me} />
            <DeleteAccount />
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
      <p className="card-end">
        <Link to="/sessions">All your sessions</Link>
      </p>
    </section>
  );
}

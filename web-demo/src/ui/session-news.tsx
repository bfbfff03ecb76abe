import type { User } from "@countersign/client";
import { useState } from "react";
import { Link, useLocation } from "react-router";
import { useSession } from "../client.ts";
import { goodbyeFor } from "../messages.ts";
import { Button } from "./button.tsx";
import { RolePill } from "./role-pill.tsx";

/** What happened to the session from elsewhere: that it was ended, or that the role is another one now. */
export function SessionNews() {
  const { status, reason, user } = useSession();
  const { pathname } = useLocation();
  const [isRoleNew, forget] = useRoleChange(user);
  // The sign-in page says it beside its form.
  const goodbye = status === "signed-out" && pathname !== "/sign-in" ? goodbyeFor(reason) : null;
  return (
    <div className="news" role="status">
      {goodbye && (
        <p>
          {goodbye}{" "}
          <Link className="button button-plain" to="/sign-in" state={{ from: pathname }}>
            Sign in again
          </Link>
        </p>
      )}
      {user && isRoleNew && (
        <p>
          <span>
            Your role is now <RolePill role={user.role} />
          </span>{" "}
          <Button onClick={forget}>OK</Button>
        </p>
      )}
    </div>
  );
}

/** Whether the role changed while this user was signed in, and the way to have read that. */
function useRoleChange(user: User | null): [isNew: boolean, forget: () => void] {
  const [known, setKnown] = useState({ user, isNew: false });
  if (known.user?.id !== user?.id || known.user?.role !== user?.role) {
    setKnown({ user, isNew: user !== null && known.user?.id === user.id });
  }
  return [known.isNew, () => setKnown({ user, isNew: false })];
}

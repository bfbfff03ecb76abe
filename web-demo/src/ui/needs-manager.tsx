import type { User } from "@countersign/client";
import { Page } from "./page.tsx";
import { RolePill } from "./role-pill.tsx";

/** Stands in for a page that is for managers and administrators only. */
export function NeedsManager({ title, user }: { title: string; user: User }) {
  return (
    <Page
      title={title}
      heading="This page needs the role MANAGER"
      lead="Other people’s accounts are for managers and administrators."
    >
      <p>
        Your role is <RolePill role={user.role} />. An administrator can change it, and this page
        changes with it at once: you do not have to sign in again.
      </p>
    </Page>
  );
}

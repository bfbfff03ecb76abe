import type { ReactNode } from "react";
import { Button } from "./button.tsx";
import { Dialog } from "./dialog.tsx";
import { PasswordField } from "./field.tsx";
import { useForm } from "./form.ts";
import { Notice } from "./notice.tsx";

interface ConfirmDialogProps {
  title: string;
  /** What the button says that does it. */
  confirm: string;
  act(): Promise<void>;
  onClose(): void;
  children: ReactNode;
}

/** Asks before something is done that cannot be undone; closes when it is done, and says why where it is not. */
export function ConfirmDialog({ title, confirm, act, onClose, children }: ConfirmDialogProps) {
  const form = useForm({
    fields: [],
    check: () => ({}),
    send: async () => {
      await act();
      onClose();
    },
  });
  return (
    <Dialog title={title} onClose={onClose}>
      <form ref={form.ref} onSubmit={form.onSubmit} noValidate>
        {children}
        {form.problems.form && <Notice tone="bad">{form.problems.form}</Notice>}
        <DialogActions look="danger" confirm={confirm} busy={form.busy} onCancel={onClose} />
      </form>
    </Dialog>
  );
}

interface PasswordDialogProps extends Omit<ConfirmDialogProps, "act"> {
  look: "primary" | "danger";
  send(password: string): Promise<void>;
}

/** Asks for the user's own password, and closes when `send` has taken it. */
export function PasswordDialog({
  title,
  confirm,
  look,
  send,
  onClose,
  children,
}: PasswordDialogProps) {
  const form = useForm({
    fields: ["password"],
    check: ({ password }) => ({ password: password === "" && "Please give your password." }),
    send: async ({ password }) => {
      await send(password);
      onClose();
    },
    password: "password",
  });
  return (
    <Dialog title={title} onClose={onClose}>
      <form ref={form.ref} onSubmit={form.onSubmit} noValidate>
        {children}
        {form.problems.form && <Notice tone="bad">{form.problems.form}</Notice>}
        <PasswordField
          label="Your password"
          name="password"
          autoComplete="current-password"
          required
          problems={form.problems}
        />
        <DialogActions look={look} confirm={confirm} busy={form.busy} onCancel={onClose} />
      </form>
    </Dialog>
  );
}

interface DialogActionsProps {
  look: "primary" | "danger";
  confirm: string;
  busy: boolean;
  onCancel(): void;
}

function DialogActions({ look, confirm, busy, onCancel }: DialogActionsProps) {
  return (
    <div className="dialog-actions">
      <Button onClick={onCancel}>Cancel</Button>
      <Button look={look} type="submit" busy={busy}>
        {confirm}
      </Button>
    </div>
  );
}

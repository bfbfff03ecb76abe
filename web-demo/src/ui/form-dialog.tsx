import type { ReactNode } from "react";
import { Button } from "./button.tsx";
import { Dialog } from "./dialog.tsx";
import { PasswordField } from "./field.tsx";
import { type FormState, useForm } from "./form.ts";
import { FormProblem } from "./form-problem.tsx";

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
        <FormProblem form={form} />
        <DialogActions look="danger" confirm={confirm} form={form} onCancel={onClose} />
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
        <FormProblem form={form} />
        <PasswordField
          label="Your password"
          name="password"
          autoComplete="current-password"
          required
          problems={form.problems}
        />
        <DialogActions look={look} confirm={confirm} form={form} onCancel={onClose} />
      </form>
    </Dialog>
  );
}

interface DialogActionsProps {
  look: "primary" | "danger";
  confirm: string;
  form: FormState;
  onCancel(): void;
}

function DialogActions({ look, confirm, form, onCancel }: DialogActionsProps) {
  return (
    <div className="dialog-actions">
      <Button onClick={onCancel}>Cancel</Button>
      <Button look={look} type="submit" busy={form.busy} waiting={form.wait > 0}>
        {confirm}
      </Button>
    </div>
  );
}

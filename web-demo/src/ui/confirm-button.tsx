import { type ComponentProps, useState } from "react";
import { Button } from "./button.tsx";
import { ConfirmDialog } from "./form-dialog.tsx";

interface ConfirmButtonProps extends Omit<ComponentProps<typeof ConfirmDialog>, "onClose"> {
  label: string;
  /** What a screen reader says, where the label alone is not enough. */
  fullLabel?: string;
  look?: "plain" | "danger";
}

/** A button whose act is asked for once more in a dialog. */
export function ConfirmButton({
  label,
  fullLabel = label,
  look = "plain",
  ...dialog
}: ConfirmButtonProps) {
  const [asking, setAsking] = useState(false);
  return (
    <>
      <Button look={look} aria-label={fullLabel} onClick={() => setAsking(true)}>
        {label}
      </Button>
      {asking && <ConfirmDialog {...dialog} onClose={() => setAsking(false)} />}
    </>
  );
}

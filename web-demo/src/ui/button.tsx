import type { ComponentProps } from "react";

interface ButtonProps extends ComponentProps<"button"> {
  look?: "primary" | "plain" | "danger";
  /** While true a press does nothing; the button keeps the focus, which `disabled` would take from it. */
  busy?: boolean;
}

/** A button that can be busy. */
export function Button({
  look = "plain",
  busy = false,
  type = "button",
  onClick,
  ...rest
}: ButtonProps) {
  return (
    <button
      {...rest}
      type={type}
      className={`button button-${look}`}
      aria-disabled={busy}
      data-busy={busy || undefined}
      onClick={busy ? (event) => event.preventDefault() : onClick}
    />
  );
}

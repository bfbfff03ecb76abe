import type { ComponentProps } from "react";

interface ButtonProps extends ComponentProps<"button"> {
  look?: "primary" | "plain" | "danger";
  /** While true a press does nothing; the button keeps the focus, which `disabled` would take from it. */
  busy?: boolean;
  /** The same, while it has to be waited until a press may do something. */
  waiting?: boolean;
}

/** A button that can be busy. */
export function Button({
  look = "plain",
  busy = false,
  waiting = false,
  type = "button",
  onClick,
  ...rest
}: ButtonProps) {
  return (
    <button
      {...rest}
      type={type}
      className={`button button-${look}`}
      aria-disabled={busy || waiting}
      data-busy={busy || undefined}
      onClick={busy || waiting ? (event) => event.preventDefault() : onClick}
    />
  );
}

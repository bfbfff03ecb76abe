import { useEffect, useRef } from "react";
import { Notice } from "./notice.tsx";

/** Says what was done, and takes the focus where the button that did it has gone with it. */
export function Done({ children }: { children: string }) {
  const ref = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (document.activeElement === document.body) ref.current?.focus();
  });
  return (
    <div ref={ref} tabIndex={-1} className="done">
      <Notice tone="good">{children}</Notice>
    </div>
  );
}

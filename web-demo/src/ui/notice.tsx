import type { ReactNode } from "react";

interface NoticeProps {
  tone: "info" | "good" | "warning" | "bad";
  children: ReactNode;
}

/** A boxed message that is read out when it appears; bad news at once, the rest when there is a pause. */
export function Notice({ tone, children }: NoticeProps) {
  return (
    <div className={`notice notice-${tone}`} role={tone === "bad" ? "alert" : "status"}>
      {children}
    </div>
  );
}

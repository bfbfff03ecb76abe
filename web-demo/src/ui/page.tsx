import { type ReactNode, useEffect, useRef } from "react";
import { useLocation } from "react-router";

interface PageProps {
  /** Stands in the window's title and in the heading. */
  title: string;
  /** A heading that differs from the title. */
  heading?: ReactNode;
  lead?: ReactNode;
  className?: string;
  children?: ReactNode;
}

/** A page with its title and its heading, which takes the focus after a navigation so that it is read out. */
export function Page({ title, heading = title, lead, className = "", children }: PageProps) {
  const h1 = useRef<HTMLHeadingElement>(null);
  const isFirstVisit = useLocation().key === "default";
  useEffect(() => {
    if (!isFirstVisit) h1.current?.focus();
  }, [isFirstVisit]);
  return (
    <div className={`page ${className}`}>
      <title>{`${title} · Countersign`}</title>
      <h1 ref={h1} tabIndex={-1}>
        {heading}
      </h1>
      {lead && <p className="lead">{lead}</p>}
      {children}
    </div>
  );
}

/** The front page's picture: a document, signed once and countersigned across. Decorative. */
export function Seal() {
  return (
    <svg className="seal" viewBox="0 0 360 260" fill="none" aria-hidden="true">
      <rect className="seal-paper" x="34" y="20" width="262" height="220" rx="14" />
      <g className="seal-text" strokeWidth="9" strokeLinecap="round">
        <path className="seal-header" d="M64 62h92" />
        <path className="seal-claims" d="M64 88h190M64 114h154M64 140h172" />
      </g>
      <path className="seal-rule" d="M64 206h202" strokeWidth="2" />
      <g strokeWidth="8" strokeLinecap="round" strokeLinejoin="round">
        <path
          className="logo-ink"
          d="M68 198c18-42 44-52 45-30 1 20-25 45-9 50 15 4 25-22 37-38 8-11 18-8 16 5-2 12 8 16 20 7"
        />
        <path className="logo-seal" d="m176 178 40 40 112-116" />
      </g>
    </svg>
  );
}

/** Two strokes that meet: a signature, and the countersignature that confirms it. Decorative. */
export function Logo({ size = 32 }: { size?: number }) {
  return (
    <svg
      className="logo"
      width={size}
      height={size}
      viewBox="0 0 32 32"
      fill="none"
      strokeWidth="3.2"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
    >
      <path
        className="logo-ink"
        d="M3 20.5C7 8 12.5 5.5 12.8 10.5c.3 5-6 13.5-2.3 14.5 2.5.7 4.5-3 6-6.5"
      />
      <path className="logo-seal" d="m14 17.5 4.5 5.5L29 8" />
    </svg>
  );
}

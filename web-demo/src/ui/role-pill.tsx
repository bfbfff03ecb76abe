/** A role as a small label. */
export function RolePill({ role }: { role: string }) {
  return (
    <span className="pill" data-role={role}>
      {role}
    </span>
  );
}

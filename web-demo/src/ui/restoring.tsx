/** Stands where a page will be once it is known whether somebody is signed in; it appears only if that takes long. */
export function Restoring() {
  return (
    <p className="restoring" role="status">
      Looking for your session…
    </p>
  );
}

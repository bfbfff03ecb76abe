/** Stands where a page will be once it is known who is signed in and the page is loaded; shows only if that takes long. */
export function Restoring() {
  return (
    <p className="restoring" role="status">
      One moment…
    </p>
  );
}

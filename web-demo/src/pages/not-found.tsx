import { Link } from "react-router";
import { Page } from "../ui/page.tsx";

/** Shown at addresses that lead nowhere. */
export function NotFoundPage() {
  return (
    <Page
      title="Page not found"
      lead="Nothing was ever signed here. The address may be mistyped, or the page has moved."
    >
      <p>
        <Link className="button button-primary" to="/">
          Go to the overview
        </Link>
      </p>
    </Page>
  );
}

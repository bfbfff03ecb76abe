import { lazy, type ReactNode, Suspense } from "react";
import { Navigate, Route, Routes, useLocation } from "react-router";
import { isAboutToKnow, isRestoring, isSignedIn, useSession } from "./client.ts";
import { Layout } from "./layout.tsx";
import { leftOnPurpose } from "./messages.ts";
import { AccountPage } from "./pages/account.tsx";
import { AuditPage } from "./pages/audit.tsx";
import { NotFoundPage } from "./pages/not-found.tsx";
import { OverviewPage } from "./pages/overview.tsx";
import { PeoplePage } from "./pages/people.tsx";
import { PersonPage } from "./pages/person.tsx";
import { RecoverPage } from "./pages/recover.tsx";
import { RegisterPage } from "./pages/register.tsx";
import { SessionsPage } from "./pages/sessions.tsx";
import { SignInPage } from "./pages/sign-in.tsx";
import { TabsPage } from "./pages/tabs.tsx";
import { FreshSignIn } from "./ui/fresh-sign-in.tsx";
import { Restoring } from "./ui/restoring.tsx";

// A page of its own, with the WASM core that only it needs at once.
const TokenPage = lazy(async () => ({ default: (await import("./pages/token.tsx")).TokenPage }));

/** The routes of the demonstration. */
export function App() {
  return (
    <Routes>
      <Route element={<Layout />}>
        <Route index element={<OverviewPage />} />
        <Route path="register" element={<Guests page={<RegisterPage />} />} />
        <Route path="sign-in" element={<Guests page={<SignInPage />} />} />
        <Route path="recover" element={<RecoverPage />} />
        <Route path="tabs" element={<TabsPage />} />
        <Route path="token" element={<Members page={<TokenPage />} />} />
        <Route path="account" element={<Members page={<AccountPage />} />} />
        <Route path="sessions" element={<Members page={<SessionsPage />} />} />
        <Route path="audit" element={<Members page={<AuditPage />} />} />
        <Route path="people" element={<Members page={<PeoplePage />} />} />
        <Route path="people/:id" element={<Members page={<PersonPage />} />} />
        <Route path="*" element={<NotFoundPage />} />
      </Route>
    </Routes>
  );
}

/** A page for signed-in people; nothing of it is shown before that is certain. */
function Members({ page }: { page: ReactNode }) {
  const session = useSession();
  const { pathname } = useLocation();
  if (isRestoring(session)) return <Restoring />;
  if (isSignedIn(session)) {
    return (
      <FreshSignIn>
        <Suspense fallback={<Restoring />}>{page}</Suspense>
      </FreshSignIn>
    );
  }
  // Whoever signed out on purpose starts afresh; whoever lost the session comes back to where they were.
  const startsAfresh = session.status === "signed-out" && leftOnPurpose(session.reason);
  return <Navigate to="/sign-in" replace state={startsAfresh ? null : { from: pathname }} />;
}

/** A page for people who are not signed in; the others are sent on to where they wanted to go. */
function Guests({ page }: { page: ReactNode }) {
  const session = useSession();
  const { state } = useLocation();
  if (isAboutToKnow(session)) return <Restoring />;
  if (isSignedIn(session)) return <Navigate to={state?.from ?? "/token"} replace />;
  return page;
}

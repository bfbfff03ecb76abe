import { type Claims, type Header, loadTokens } from "@countersign/client/token";
import { useEffect, useState } from "react";
import { client, useSession } from "../client.ts";
import { Anatomy, Wire } from "../token/anatomy.tsx";
import { Life } from "../token/life.tsx";
import { Tamper } from "../token/tamper.tsx";
import { Verification } from "../token/verification.tsx";
import { Page } from "../ui/page.tsx";

/** The access token of this page: what it says, who vouches for it, how it ages and renews, and how it resists. */
export function TokenPage() {
  const session = useSession();
  const token = useToken(session.issuedAt);
  return (
    <Page
      title="Your token"
      lead="This is what the page shows to the server in place of your password. It is kept in memory only, and it is replaced before it runs out."
    >
      {token === null ? (
        <p role="status">Fetching the token…</p>
      ) : (
        <>
          <div className="columns columns-even">
            <Verification token={token} />
            <Life session={session} />
          </div>
          <Wire token={token} />
          <div className="columns">
            <Contents token={token} />
            <Tamper token={token} />
          </div>
        </>
      )}
    </Page>
  );
}

/** The token in use, asked for again whenever the session holds a new one. */
function useToken(issuedAt: number | null): string | null {
  const [token, setToken] = useState<string | null>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new token is known by its time of issue
  useEffect(() => {
    let current = true;
    client.session.token().then(
      (next) => {
        if (current && next !== null) setToken(next);
      },
      // Cannot be renewed just now: the banner says so, and the old token stays in view.
      () => {},
    );
    return () => {
      current = false;
    };
  }, [issuedAt]);
  return token;
}

function Contents({ token }: { token: string }) {
  const [parts, setParts] = useState<{ header: Header; claims: Claims } | null>(null);
  const [readable, setReadable] = useState(true);
  useEffect(() => {
    let current = true;
    loadTokens().then(
      (tokens) => {
        if (current) setParts(tokens.decode(token));
      },
      () => {
        if (current) setReadable(false);
      },
    );
    return () => {
      current = false;
    };
  }, [token]);
  if (!readable)
    return (
      <p className="card">This browser cannot take the token apart: WebAssembly is switched off.</p>
    );
  return parts && <Anatomy header={parts.header} claims={parts.claims} />;
}

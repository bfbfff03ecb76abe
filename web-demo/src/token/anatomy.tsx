import type { Claims, Header } from "@countersign/client/token";
import type { ReactNode } from "react";
import { dateTime } from "../time.ts";
import { RolePill } from "../ui/role-pill.tsx";

/** The token as it travels, its three parts told apart by colour and by a legend. */
export function Wire({ token }: { token: string }) {
  const [header, claims, signature] = token.split(".");
  return (
    <figure className="wire">
      <figcaption>
        <span className="wire-header">Header</span>
        <span className="wire-claims">Claims</span>
        <span className="wire-signature">Signature</span>
      </figcaption>
      <code data-testid="token">
        <span className="wire-header">{header}</span>.<span className="wire-claims">{claims}</span>.
        <span className="wire-signature">{signature}</span>
      </code>
    </figure>
  );
}

/** Header and claims, each with what it means. */
export function Anatomy({ header, claims }: { header: Header; claims: Claims }) {
  return (
    <section className="card anatomy" aria-labelledby="anatomy">
      <h2 id="anatomy">What it says</h2>
      <p className="muted">
        Anyone who holds it can read it; that is why no name and no address stand in it.
      </p>
      <h3>Header</h3>
      <Rows rows={HEADER_MEANINGS} values={{ ...header }} />
      <h3>Claims</h3>
      <Rows rows={CLAIM_MEANINGS} values={{ ...claims }} />
    </section>
  );
}

type Meanings = readonly (readonly [
  name: string,
  meaning: string,
  show?: (value: unknown) => ReactNode,
])[];

const HEADER_MEANINGS: Meanings = [
  ["typ", "An access token, and nothing else"],
  ["alg", "How it is signed; the key decides this, not the token"],
  ["kid", "The key that signed it"],
];

const CLAIM_MEANINGS: Meanings = [
  ["iss", "Who signed it"],
  ["aud", "Whom it is meant for"],
  ["sub", "Whose it is: the account"],
  ["role", "What the account may do", (value) => <RolePill role={String(value)} />],
  ["client_id", "The application that asked for it"],
  ["sid", "The signed-in device it belongs to"],
  ["ver", "The account’s version; raising it makes older tokens stale"],
  ["auth_time", "When the password was last proven", time],
  ["iat", "When it was signed", time],
  ["exp", "When it runs out", time],
  ["jti", "Its own name, no two alike"],
];

function time(value: unknown): ReactNode {
  if (typeof value !== "number") return String(value);
  const ms = value * 1000;
  return (
    <>
      <time dateTime={new Date(ms).toISOString()}>{dateTime(ms)}</time>{" "}
      <span className="muted">{value}</span>
    </>
  );
}

function Rows({ rows, values }: { rows: Meanings; values: Readonly<Record<string, unknown>> }) {
  return (
    <dl className="claims">
      {rows.map(([name, meaning, show = String]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{show(values[name])}</dd>
          <dd className="muted">{meaning}</dd>
        </div>
      ))}
    </dl>
  );
}

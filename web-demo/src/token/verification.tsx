import { messageFor } from "../messages.ts";
import { type Check, RULES, useCheck } from "./verifier.ts";

/** The badge of the token in use, and the rules that it was held against. */
export function Verification({ token }: { token: string }) {
  const check = useCheck(token);
  return (
    <section className="card verification" aria-labelledby="verification">
      <h2 id="verification">Its countersignature</h2>
      <Badge check={check} />
      <h3>Pinned rules</h3>
      <dl className="facts">
        <dt>Signature</dt>
        {check.result === "unsigned" ? (
          <dd>Not checked here: the server keeps its key to itself</dd>
        ) : (
          <dd>
            By the key that <code>kid</code> names, from{" "}
            <a href="/.well-known/jwks.json">this server’s key set</a>
          </dd>
        )}
        <dt>Issuer</dt>
        <dd>
          <code>{RULES.issuer}</code>
        </dd>
        <dt>Audience</dt>
        <dd>
          <code>{RULES.audience}</code>
        </dd>
        <dt>Type</dt>
        <dd>
          <code>at+jwt</code>, so that no other kind of token passes for an access token
        </dd>
        <dt>Time</dt>
        <dd>Begun and not run out, give or take 30 seconds</dd>
      </dl>
    </section>
  );
}

/** Verified, refused or in between, with what that means. */
export function Badge({ check }: { check: Check }) {
  return (
    <div className="badge" data-result={check.result} role="status">
      <BadgeMark good={"claims" in check} />
      <div>
        <strong>{title(check)}</strong>
        <p>{explanation(check)}</p>
      </div>
    </div>
  );
}

function title(check: Check): string {
  if (check.result === "good") return "Verified";
  if (check.result === "unsigned") return "Claims checked";
  if (check.result === "checking") return "Checking…";
  return check.error.code === "WASM_UNAVAILABLE" || check.error.retriable
    ? "Cannot check"
    : "Refused";
}

function explanation(check: Check): string {
  if (check.result === "good") {
    return "The server signed exactly this. Checked in this page, by WebAssembly.";
  }
  if (check.result === "unsigned") {
    return "Issuer, audience, type and times are right. The signature is for the server alone to check: it signs with HS256 and publishes no key.";
  }
  if (check.result === "checking") return "Asking the server for its public keys.";
  const { code, reason } = check.error;
  return `${messageFor(check.error)} (${reason ?? code})`;
}

function BadgeMark({ good }: { good: boolean }) {
  return (
    <svg
      viewBox="0 0 32 32"
      width="40"
      height="40"
      fill="none"
      strokeWidth="3.4"
      strokeLinecap="round"
      aria-hidden="true"
    >
      <path className="badge-ring" d="M27.5 12A12.5 12.5 0 1 1 20 4.2" />
      {good ? (
        <path className="badge-stroke" strokeLinejoin="round" d="m10.5 15.5 5.5 6L29 6" />
      ) : (
        <path className="badge-stroke" d="m11.5 11.5 9 9m0-9-9 9" />
      )}
    </svg>
  );
}

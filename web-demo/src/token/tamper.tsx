import { useState } from "react";
import { messageFor, textFor } from "../messages.ts";
import { Button } from "../ui/button.tsx";
import { changeRole, flipSignature, liveLonger, noAlgorithm, type Tampering } from "./tampering.ts";
import { Badge } from "./verification.tsx";
import { type Check, useCheck } from "./verifier.ts";

const TRICKS: readonly (readonly [label: string, tampering: Tampering])[] = [
  ["Change the role", changeRole],
  ["Live a year longer", liveLonger],
  ["Flip a signature character", flipSignature],
  ["Set alg to none", noAlgorithm],
];

/** An editor for a copy of the token, the page's verdict on it, and the server's. */
export function Tamper({ token }: { token: string }) {
  // A copy, taken once: a renewal must not change what somebody is editing.
  const [original, setOriginal] = useState(token);
  const [copy, setCopy] = useState(token);

  function startOver() {
    setOriginal(token);
    setCopy(token);
  }

  return (
    <section className="card tamper" aria-labelledby="tamper">
      <h2 id="tamper">Tamper with it</h2>
      <p>This is a copy: whatever you do to it, you stay signed in.</p>
      <fieldset className="tricks">
        <legend className="visually-hidden">Ways to tamper</legend>
        {TRICKS.map(([label, tampering]) => (
          <Button key={label} onClick={() => setCopy(tampering(original))}>
            {label}
          </Button>
        ))}
        <Button onClick={startOver}>Start over</Button>
      </fieldset>
      <label className="tamper-editor">
        <span>Or edit it freely</span>
        <textarea
          value={copy}
          rows={6}
          spellCheck={false}
          autoComplete="off"
          autoCapitalize="none"
          onChange={(event) => setCopy(event.target.value.trim())}
        />
      </label>
      <div className="verdicts">
        <PageVerdict copy={copy} />
        <ServerVerdict copy={copy} key={copy} />
      </div>
    </section>
  );
}

function PageVerdict({ copy }: { copy: string }) {
  const check = useCheck(copy);
  return (
    <div data-testid="page-verdict">
      <h3>What this page says</h3>
      <Badge check={check} />
      <Detail check={check} />
    </div>
  );
}

/** The checker's own words, where they say more than the message for the reason. */
function Detail({ check }: { check: Check }) {
  if (check.result !== "refused" || check.error.message === messageFor(check.error)) return null;
  return <p className="muted checker-words">{check.error.message}</p>;
}

interface Reply {
  text: string;
  refused: boolean;
}

function ServerVerdict({ copy }: { copy: string }) {
  const [busy, setBusy] = useState(false);
  const [reply, setReply] = useState<Reply | null>(null);

  async function send() {
    setBusy(true);
    setReply(await ask(copy));
    setBusy(false);
  }

  return (
    <div data-testid="server-verdict">
      <h3>What the server says</h3>
      <Button busy={busy} onClick={() => void send()}>
        {busy ? "Sending…" : "Send it to the server"}
      </Button>
      <div role="status">
        {reply && (
          <p className="server-reply" data-result={reply.refused ? "refused" : "good"}>
            {reply.text}
          </p>
        )}
      </div>
    </div>
  );
}

interface MeAnswer {
  data?: { me: { role: string } } | null;
  errors?: { message: string; extensions?: { code?: string; reason?: string } }[];
}

/** Asks `me` with this token as it stands: not through the client, which would renew and send a good one. */
async function ask(token: string): Promise<Reply> {
  try {
    const response = await fetch("/graphql", {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
      body: JSON.stringify({ query: "query Me { me { role } }" }),
    });
    return understand(await response.json());
  } catch {
    return {
      refused: true,
      text: "No answer: the token was not sent, or the server cannot be reached.",
    };
  }
}

function understand(answer: MeAnswer): Reply {
  const error = answer.errors?.[0];
  if (!error) return { refused: false, text: `Accepted: you are ${answer.data?.me.role}.` };
  const why = error.extensions?.reason ?? error.extensions?.code ?? "";
  return { refused: true, text: `Refused: ${textFor(why) ?? error.message} (${why})` };
}

import { timeOfDay } from "../time.ts";
import type { Entry } from "./story.ts";

const SHOWN = 8;

/** The time line in words, newest first. */
export function Log({ entries }: { entries: readonly Entry[] }) {
  return (
    <section className="card" aria-labelledby="log">
      <h2 id="log">What happened</h2>
      {entries.length === 0 ? (
        <p className="muted">Nothing yet.</p>
      ) : (
        <ol className="log">
          {entries.slice(0, SHOWN).map(({ key, at, sentence }) => (
            <li key={key}>
              <time dateTime={new Date(at).toISOString()}>{timeOfDay(at)}</time>
              <span>{sentence}</span>
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}

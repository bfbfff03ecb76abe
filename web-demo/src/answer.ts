import { useCallback, useEffect, useState } from "react";
import { client } from "./client.ts";

/** What a query has brought so far. `data` stays while the next answer is awaited, so lists do not flicker. */
export interface Answer<T> {
  data: T | null;
  error: unknown;
  loading: boolean;
  /** Asks the same again. */
  askAgain(): void;
}

/**
 * Asks the server, and again whenever the query, its variables or `version` change; an answer that comes too late is
 * dropped. A query that failed is repeated when the session is good again or the network is back.
 */
export function useAnswer<T>(
  query: string,
  variables: Record<string, unknown> = {},
  version: string | number = 0,
): Answer<T> {
  const [answer, setAnswer] = useState<Omit<Answer<T>, "askAgain">>({
    data: null,
    error: null,
    loading: true,
  });
  const [round, setRound] = useState(0);
  const askAgain = useCallback(() => setRound((last) => last + 1), []);
  const key = JSON.stringify(variables);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new round or version asks again
  useEffect(() => {
    const abort = new AbortController();
    setAnswer((last) => ({ ...last, loading: true }));
    client.request<T>(query, JSON.parse(key), { signal: abort.signal }).then(
      (data) => {
        if (!abort.signal.aborted) setAnswer({ data, error: null, loading: false });
      },
      (error: unknown) => {
        if (!abort.signal.aborted) setAnswer({ data: null, error, loading: false });
      },
    );
    return () => abort.abort();
  }, [query, key, round, version]);
  const failed = answer.error !== null && !answer.loading;
  useEffect(() => (failed ? whenReachable(askAgain) : undefined), [failed, askAgain]);
  return { ...answer, askAgain };
}

/** Calls `askAgain` whenever the reader comes back to the page: other devices may have changed the answer meanwhile. */
export function useFreshness(askAgain: () => void): void {
  useEffect(() => {
    const look = () => !document.hidden && askAgain();
    addEventListener("focus", look);
    document.addEventListener("visibilitychange", look);
    return () => {
      removeEventListener("focus", look);
      document.removeEventListener("visibilitychange", look);
    };
  }, [askAgain]);
}

/** Calls `act` when the session turns good or the network returns; returns the way to stop that. */
function whenReachable(act: () => void): () => void {
  const unsubscribe = client.session.on(({ status }) => {
    if (status === "live" || status === "anonymous") act();
  });
  addEventListener("online", act);
  return () => {
    unsubscribe();
    removeEventListener("online", act);
  };
}

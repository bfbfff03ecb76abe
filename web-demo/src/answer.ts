import { useEffect, useState } from "react";
import { client } from "./client.ts";

/** What a query has brought so far. `data` stays while the next answer is awaited, so lists do not flicker. */
export interface Answer<T> {
  data: T | null;
  error: unknown;
  loading: boolean;
}

/** Asks the server, and again whenever the query or its variables change; an answer that comes too late is dropped. */
export function useAnswer<T>(query: string, variables: Record<string, unknown> = {}): Answer<T> {
  const [answer, setAnswer] = useState<Answer<T>>({ data: null, error: null, loading: true });
  const key = JSON.stringify(variables);
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
  }, [query, key]);
  return answer;
}

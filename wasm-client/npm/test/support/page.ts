import { vi } from "vitest";

/** A page's globals: enough of document, window and localStorage for a session to believe it is in a browser. */
export interface Page {
  /** What localStorage holds; it outlives the page. */
  storage: Map<string, string>;
  /** Makes localStorage refuse every further value. */
  fill(): void;
  /** Hides or shows the page, with the event. */
  hide(hidden: boolean): void;
  /** Fires an event of the window. */
  fire(name: "focus" | "online" | "pageshow" | "pagehide"): void;
}

/** Puts a page into the globals; vitest takes it away after the test. */
export function openPage(storage = new Map<string, string>()): Page {
  const page = new EventTarget();
  const document = Object.assign(new EventTarget(), { hidden: false });
  let isFull = false;
  vi.stubGlobal("document", document);
  vi.stubGlobal("window", page);
  vi.stubGlobal("localStorage", {
    getItem: (key: string) => storage.get(key) ?? null,
    setItem: (key: string, value: string) => {
      if (isFull) throw new DOMException("full", "QuotaExceededError");
      storage.set(key, value);
    },
    removeItem: (key: string) => void storage.delete(key),
  });
  return {
    storage,
    fill() {
      isFull = true;
    },
    hide(hidden) {
      document.hidden = hidden;
      document.dispatchEvent(new Event("visibilitychange"));
    },
    fire: (name) => void page.dispatchEvent(new Event(name)),
  };
}

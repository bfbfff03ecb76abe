import { useSyncExternalStore } from "react";

/** The two looks of the page. */
export type Theme = "light" | "dark";

const KEY = "countersign-demo:theme"; // also read by public/theme.js, before the first paint
const system = matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set<() => void>();

function current(): Theme {
  const chosen = document.documentElement.dataset.theme;
  if (chosen === "light" || chosen === "dark") return chosen;
  return system.matches ? "dark" : "light";
}

function subscribe(notify: () => void): () => void {
  listeners.add(notify);
  system.addEventListener("change", notify);
  return () => {
    listeners.delete(notify);
    system.removeEventListener("change", notify);
  };
}

/** Changes the look and remembers the choice; a choice that equals the system's is forgotten, to follow it again. */
export function chooseTheme(theme: Theme): void {
  const followsSystem = theme === (system.matches ? "dark" : "light");
  if (followsSystem) delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    if (followsSystem) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, theme);
  } catch {
    // Storage may be forbidden: the choice then lasts as long as the page.
  }
  for (const notify of listeners) notify();
}

/** The look in use. */
export function useTheme(): Theme {
  return useSyncExternalStore(subscribe, current);
}

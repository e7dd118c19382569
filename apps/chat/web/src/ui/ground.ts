import { useSyncExternalStore } from "react";

const system = typeof matchMedia === "undefined" ? null : matchMedia("(prefers-color-scheme: dark)");

/** Is the page dark now, by the reader's choice or the system's? */
export function isDark(): boolean {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : (system?.matches ?? false);
}

/** The same, for what is drawn anew when it changes. */
export function useDark(): boolean {
  return useSyncExternalStore(subscribe, isDark);
}

function subscribe(changed: () => void): () => void {
  const watch = new MutationObserver(changed);
  watch.observe(document.documentElement, { attributeFilter: ["data-theme"] });
  system?.addEventListener("change", changed);
  return () => {
    watch.disconnect();
    system?.removeEventListener("change", changed);
  };
}

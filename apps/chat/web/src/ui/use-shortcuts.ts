import { useEffect } from "react";

interface Actions {
  find(): void;
  search(): void;
  list(): void;
  /** Goes to the next (1) or previous (-1) room. */
  step(by: 1 | -1): void;
}

/** The keys that work everywhere on the page. */
export function useShortcuts(actions: Actions): void {
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      const action = actionOf(event, actions);
      if (!action || document.querySelector("dialog[open]")) return;
      event.preventDefault();
      action();
    };
    window.addEventListener("keydown", pressed);
    return () => window.removeEventListener("keydown", pressed);
  });
}

function actionOf(event: KeyboardEvent, actions: Actions): (() => void) | null {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") return actions.find;
  if ((event.ctrlKey || event.metaKey) && event.shiftKey && event.key.toLowerCase() === "f") return actions.search;
  if (event.altKey && event.key === "ArrowDown") return () => actions.step(1);
  if (event.altKey && event.key === "ArrowUp") return () => actions.step(-1);
  if (event.key === "?" && !isField(event.target)) return actions.list;
  return null;
}

/** Is a character written there? */
function isField(target: EventTarget | null): boolean {
  if (target instanceof HTMLInputElement) return !["radio", "checkbox", "button"].includes(target.type);
  return target instanceof HTMLTextAreaElement;
}

import { Store } from "../ui/store";
import type { Box } from "../ui/storage";

export type Theme = "system" | "light" | "dark";

/** Light, dark or as the system says; `public/theme.js` applies the same before the first paint. */
export class ThemeChoice {
  readonly value: Store<Theme>;
  readonly #box: Box;

  constructor(box: Box) {
    this.#box = box;
    const known = box.read("theme");
    this.value = new Store<Theme>(known === "light" || known === "dark" ? known : "system");
  }

  choose(theme: Theme, root: HTMLElement = document.documentElement): void {
    this.value.set(theme);
    if (theme === "system") {
      this.#box.remove("theme");
      delete root.dataset.theme;
    } else {
      this.#box.write("theme", theme);
      root.dataset.theme = theme;
    }
  }
}

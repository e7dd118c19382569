import type { Box } from "../ui/storage";
import { Store } from "../ui/store";

/** `blocked`: the browser was told not to ask; `impossible`: it shows none, as on a plain http address. */
export type NotificationState = "off" | "on" | "blocked" | "impossible";

/** The part of the browser's `Notification` that is used. */
export interface Notifier {
  readonly permission: NotificationPermission;
  requestPermission(): Promise<NotificationPermission>;
  new (title: string, options: NotificationOptions): Pick<Notification, "onclick" | "close">;
}

export interface News {
  title: string;
  text: string;
  /** News with the same id is shown once, whatever windows are open. */
  id: string;
  open(): void;
}

const LENGTH = 160;

/** Notifications of the system while the page is hidden: off until the person wants them, and asked for only then. */
export class Notifications {
  readonly state: Store<NotificationState>;
  readonly #box: Box;
  readonly #notifier: Notifier | undefined;
  readonly #hidden: () => boolean;

  constructor(box: Box, notifier: Notifier | undefined = globalThis.Notification, hidden: () => boolean = () => document.hidden) {
    this.#box = box;
    this.#notifier = notifier;
    this.#hidden = hidden;
    this.state = new Store<NotificationState>(this.#now());
  }

  /** Turns them on, after asking the browser's leave if need be, or off. */
  async toggle(): Promise<void> {
    if (this.state.value === "on") this.#box.remove("notify");
    else if (this.#notifier) {
      this.#box.write("notify", "yes");
      if (this.#notifier.permission === "default") await this.#notifier.requestPermission();
      if (this.#notifier.permission !== "granted") this.#box.remove("notify");
    }
    this.state.set(this.#now());
  }

  /** Shows news, if it is wanted and the page cannot be seen. */
  tell({ title, text, id, open }: News): void {
    if (this.state.value !== "on" || !this.#hidden() || !this.#notifier) return;
    try {
      const body = text.length > LENGTH ? `${text.slice(0, LENGTH)}…` : text;
      const shown = new this.#notifier(title, { body, tag: id, icon: "./favicon.svg" });
      shown.onclick = () => {
        window.focus();
        shown.close();
        open();
      };
    } catch {
      this.state.set("impossible"); // some phones have the name and nothing behind it
    }
  }

  #now(): NotificationState {
    if (!this.#notifier) return "impossible";
    if (this.#notifier.permission === "denied") return "blocked";
    return this.#notifier.permission === "granted" && this.#box.read("notify") !== null ? "on" : "off";
  }
}

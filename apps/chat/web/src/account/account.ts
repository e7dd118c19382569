import { Store } from "../ui/store";
import type { Box } from "../ui/storage";

/** Who uses this page. `key` is a secret of this browser that proves the same person after a reload. */
export interface Identity {
  name: string;
  key: string;
}

export const NAME_LIMIT = 40;

export class Account {
  readonly #box: Box;
  /** Null until a name was given. */
  readonly identity: Store<Identity | null>;

  constructor(box: Box) {
    this.#box = box;
    const name = box.read("name");
    this.identity = new Store<Identity | null>(name ? { name, key: this.#key() } : null);
  }

  /** The name of last time, for the entry screen. */
  get lastName(): string {
    return this.#box.read("name") ?? this.#box.read("last-name") ?? "";
  }

  signIn(name: string): void {
    const clean = cleanName(name);
    if (!clean) return;
    this.#box.write("name", clean);
    this.identity.set({ name: clean, key: this.#key() });
  }

  signOut(): void {
    const name = this.identity.value?.name;
    if (name) this.#box.write("last-name", name);
    this.#box.remove("name");
    this.identity.set(null);
  }

  #key(): string {
    const known = this.#box.read("key");
    if (known) return known;
    const key = randomId(24);
    this.#box.write("key", key);
    return key;
  }
}

export function cleanName(name: string): string {
  return name.replace(/\s+/g, " ").trim().slice(0, NAME_LIMIT);
}

/** `bytes` random bytes in hex. (`crypto.randomUUID` is missing on plain http outside localhost.) */
export function randomId(bytes = 12): string {
  return [...crypto.getRandomValues(new Uint8Array(bytes))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

import type { Connection } from "./connection.js";

/** How long (ms) a stream without a component is kept, for a component that is mounted again, as in Strict Mode. */
const LINGER = 1_000;

/** What a component shows, as long as it is mounted. */
export interface Source<S> {
  readonly state: S;
  onChange(listener: () => void): () => void;
  detach(): void;
}

interface Shared<V> {
  source: V;
  users: number;
  timer: ReturnType<typeof setTimeout> | undefined;
}

/** One source for each connection and key, however many components use it. */
export class Pool<V extends Source<unknown>> {
  readonly #shared = new WeakMap<Connection, Map<string, Shared<V>>>();

  get(connection: Connection, key: string): V | undefined {
    return this.#shared.get(connection)?.get(key)?.source;
  }

  use(connection: Connection, key: string, make: () => V, listener: () => void): () => void {
    const all = this.#shared.get(connection) ?? new Map<string, Shared<V>>();
    this.#shared.set(connection, all);
    const shared = all.get(key) ?? { source: make(), users: 0, timer: undefined };
    all.set(key, shared);
    clearTimeout(shared.timer);
    shared.users += 1;
    const end = shared.source.onChange(listener);
    return () => {
      end();
      shared.users -= 1;
      if (shared.users) return;
      shared.timer = setTimeout(() => {
        shared.source.detach();
        all.delete(key);
      }, LINGER);
    };
  }
}

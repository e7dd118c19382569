import { useCallback, useSyncExternalStore } from "react";

/** A value outside React that components can watch. `update` with an equal value tells nobody. */
export class Store<T> {
  #value: T;
  readonly #listeners = new Set<() => void>();

  constructor(initial: T) {
    this.#value = initial;
  }

  get value(): T {
    return this.#value;
  }

  set(next: T): void {
    if (Object.is(next, this.#value)) return;
    this.#value = next;
    for (const listener of [...this.#listeners]) listener();
  }

  update(change: (value: T) => T): void {
    this.set(change(this.#value));
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };
}

/** Watch a part of a store. `select` must give the same object again while nothing in it changed. */
export function useStore<T, S>(store: Store<T>, select: (value: T) => S): S {
  const read = useCallback(() => select(store.value), [store, select]);
  return useSyncExternalStore(store.subscribe, read, read);
}

export function useValue<T>(store: Store<T>): T {
  const read = () => store.value;
  return useSyncExternalStore(store.subscribe, read, read);
}

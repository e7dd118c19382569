/** A value that changes. */
export interface Subscribable<T> {
  /** As it is now; the same object until it changes. */
  readonly value: T;
  /** Calls the listener after each change, with what is newest then. Returns what ends it. */
  subscribe(listener: (value: T) => void): () => void;
}

export interface Notifier<T> {
  subscribe(listener: (value: T) => void): () => void;
  /** Tells the listeners, soon: several changes of one moment, such as the items of one frame, are told once. */
  changed(): void;
}

export function notifier<T>(read: () => T): Notifier<T> {
  const listeners = new Set<[listener: (value: T) => void]>();
  let due = false;
  return {
    subscribe(listener) {
      const entry: [typeof listener] = [listener]; // its own, so that a function that was given twice is called twice
      listeners.add(entry);
      return () => void listeners.delete(entry);
    },
    changed() {
      if (due) return;
      due = true;
      queueMicrotask(() => {
        due = false;
        for (const [listener] of listeners) {
          try {
            listener(read());
          } catch (error) {
            void Promise.reject(error); // reported like any error nobody caught, and the others still hear
          }
        }
      });
    },
  };
}

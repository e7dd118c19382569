/** A value that changes. */
export interface Subscribable<T> {
  /** The present value; the same object until it changes. */
  readonly value: T;
  /** Calls the listener after each change, with the newest value. Returns a function that ends this. */
  subscribe(listener: (value: T) => void): () => void;
}

export interface Notifier<T> {
  subscribe(listener: (value: T) => void): () => void;
  /** Notifies the listeners soon: several changes at the same time, such as the items of one frame, cause one call. */
  changed(): void;
}

export function notifier<T>(read: () => T): Notifier<T> {
  const listeners = new Set<[listener: (value: T) => void]>();
  let due = false;
  return {
    subscribe(listener) {
      const entry: [typeof listener] = [listener]; // an object of its own, so that a function that was added twice is called twice
      listeners.add(entry);
      return () => void listeners.delete(entry);
    },
    changed() {
      if (due) return;
      due = true;
      queueMicrotask(() => {
        due = false;
        for (const [listener] of listeners) reporting(() => listener(read()));
      });
    },
  };
}

/** Calls a function of the application. What it throws is reported like any uncaught error, and everything else goes on. */
export function reporting(call: () => void): void {
  try {
    call();
  } catch (error) {
    void Promise.reject(error);
  }
}

/** What `connection.stream(…)` returns. */
export interface StreamResult<T> {
  subscribe(observer: { next(item: T): void; error(error: unknown): void; complete(): void }): { dispose(): void };
}

interface Waiting<T> {
  resolve(result: IteratorResult<T, undefined>): void;
  reject(error: unknown): void;
}

/**
 * A stream as an async iterable. Leaving the loop, by `break`, `return` or an error, cancels the stream on the server;
 * an error of the stream is thrown, after the items before it. Items that were not read yet wait in memory.
 *
 * The stream has begun with the call, so iterate it or call `return()`. It can be iterated once.
 */
export function iterate<T>(stream: StreamResult<T>): AsyncIterableIterator<T> {
  const items: T[] = [];
  const waiting: Waiting<T>[] = [];
  let taken = 0;
  let ended = false;
  let failure: { error: unknown } | undefined;

  const end = (cause?: { error: unknown }) => {
    ended = true;
    failure = cause;
    for (const { resolve, reject } of waiting.splice(0)) {
      if (failure) reject(failure.error);
      else resolve({ done: true, value: undefined });
      failure = undefined;
    }
  };
  const subscription = stream.subscribe({
    next(item) {
      if (ended) return;
      const first = waiting.shift();
      if (first) first.resolve({ done: false, value: item });
      else items.push(item);
    },
    error: (error) => end({ error }),
    complete: () => end(),
  });
  const leave = () => {
    if (!ended) subscription.dispose();
    items.length = 0;
    taken = 0;
    end();
  };
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    next() {
      if (taken < items.length) {
        const value = items[taken++] as T;
        if (taken === items.length || taken >= 1024) {
          items.splice(0, taken);
          taken = 0;
        }
        return Promise.resolve({ done: false, value });
      }
      if (failure) {
        const { error } = failure;
        failure = undefined; // thrown once; then it has ended
        return Promise.reject(error);
      }
      if (ended) return Promise.resolve({ done: true, value: undefined });
      return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
    },
    return() {
      leave();
      return Promise.resolve({ done: true, value: undefined });
    },
    throw(error) {
      leave();
      return Promise.reject(error);
    },
  };
}

import { delayBefore } from "./backoff.js";
import { linkOf, type Connection } from "./connection.js";
import { messageOf } from "./errors.js";

/** Errors that stay the same however often one asks. What else a server says while the connection is up may pass. */
const FOR_GOOD = /The run does not exist\.$|Method does not exist\.$|user is unauthorized$/;

export interface Follower<T> {
  /** What the stream is asked for, each time anew. */
  args(): unknown[];
  item(item: T): void;
  /** The stream has gone and will be asked for again: null when the connection has gone, otherwise what the server said. */
  lost(message: string | null): void;
  /** The server will never give it. Nothing follows. */
  refused(message: string): void;
}

/** Keeps one stream open over every loss of the connection. Returns what ends it: with `true`, it has completed by itself. */
export function follow<T>(connection: Connection, method: string, follower: Follower<T>): (completed?: boolean) => void {
  const link = linkOf(connection);
  let over = false;
  let current: object | undefined;
  let dispose: (() => void) | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let attempt = 0;

  const open = () => {
    if (over || current || timer !== undefined || connection.state !== "Connected") return;
    const mine = (current = {});
    const lost = (error?: unknown) => {
      // The client tells its streams before it changes its own state, so whether the connection has gone is known later.
      queueMicrotask(() => {
        if (current !== mine) return;
        current = dispose = undefined;
        link.refresh();
        const message = messageOf(error);
        if (connection.state !== "Connected") {
          follower.lost(null);
        } else if (FOR_GOOD.test(message)) {
          end(true);
          follower.refused(message);
        } else {
          follower.lost(message);
          timer = setTimeout(() => {
            timer = undefined;
            open();
          }, delayBefore(attempt++));
        }
      });
    };
    const subscription = connection.stream<T>(method, ...follower.args()).subscribe({
      next(item) {
        if (current !== mine) return;
        try {
          follower.item(item);
          attempt = 0;
        } catch (error) {
          // Thrown from here, it would close the connection, and with it everything else that uses it.
          dispose?.();
          lost(error);
        }
      },
      error: lost,
      complete: lost,
    });
    if (current === mine) dispose = () => subscription.dispose();
  };
  const unsubscribe = link.subscribe(({ status }) => {
    if (status === "connected") return open();
    timer = void clearTimeout(timer);
    attempt = 0;
  });
  const end = (completed?: boolean) => {
    if (over) return;
    over = true;
    clearTimeout(timer);
    unsubscribe();
    current = undefined;
    if (!completed) dispose?.();
  };
  open();
  return end;
}

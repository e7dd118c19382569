import { delayBefore } from "./backoff.js";
import { linkOf, type Connection } from "./connection.js";
import { messageOf } from "./errors.js";

/** Errors that a repeated request would get again. Other errors of a server may be temporary. */
const FOR_GOOD = /The run does not exist\.$|Method does not exist\.$|user is unauthorized$/;

export interface Follower<T> {
  /** The arguments of the stream, made again for each request. */
  args(): unknown[];
  item(item: T): void;
  /** The stream is lost and will be requested again: null if the connection was lost, otherwise the server's error. */
  lost(message: string | null): void;
  /** The error is final. No item follows. */
  refused(message: string): void;
}

/** Keeps one stream open over every loss of the connection. Returns a function that ends it: with `true`, the stream has completed by itself. */
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
      // The client ends its streams before it changes its own state, so the loss of the connection is known only later.
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
          // Thrown from here, the error would close the connection for all its users.
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

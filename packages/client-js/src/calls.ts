import { delayBefore } from "./backoff.js";
import { whenConnected, type Connection } from "./connection.js";
import { cleaned } from "./errors.js";

/**
 * Calls as soon as there is a connection. With `again`, for calls that may be repeated, it repeats the call when the
 * connection is lost. Fails with the server's error text, when the connection is refused, or when `signal` is aborted.
 */
export async function callWhenConnected<T>(
  connection: Connection,
  again: boolean,
  call: () => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    await whenConnected(connection, signal);
    try {
      return await call();
    } catch (error) {
      if (!again) throw cleaned(error);
      if (connection.state !== "Connected") continue;
      if (!isOfLine(error)) throw cleaned(error);
      await new Promise((resolve) => setTimeout(resolve, delayBefore(attempt)));
    }
  }
}

/** Whether the call did not reach the server: over HTTP, the connection learns only later that it is lost. */
function isOfLine(error: unknown): boolean {
  return error instanceof TypeError || (error as { statusCode?: number } | null)?.statusCode === 404;
}

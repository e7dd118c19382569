import { whenConnected, type Connection } from "./connection.js";
import { cleaned } from "./errors.js";

/**
 * Calls as soon as there is a connection; with `again`, repeated whenever it is lost during the call, for calls that may be
 * repeated. Fails with the server's words, when the connection is refused, or when `signal` is aborted.
 */
export async function callWhenConnected<T>(
  connection: Connection,
  again: boolean,
  call: () => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  for (;;) {
    await whenConnected(connection, signal);
    try {
      return await call();
    } catch (error) {
      if (!again || connection.state === "Connected") throw cleaned(error);
    }
  }
}

import type { StreamResult } from "./iterate.js";
import { notifier, type Subscribable } from "./notifier.js";

/**
 * The used part of `HubConnection`. Declared here, so that it does not matter which copy of `@microsoft/signalr`
 * made the connection.
 */
export interface Connection {
  readonly state: string;
  start(): Promise<void>;
  stop(): Promise<void>;
  stream<T>(method: string, ...args: any[]): StreamResult<T>;
  invoke<T>(method: string, ...args: any[]): Promise<T>;
  onclose(callback: (error?: Error) => void): void;
  onreconnecting(callback: (error?: Error) => void): void;
  onreconnected(callback: (connectionId?: string) => void): void;
}

export interface ConnectionState {
  /**
   * `connecting` before the first connection, `reconnecting` after it, `refused` when the server has refused the
   * connection and `keepConnected` does not try again. Without `keepConnected`, a connection that is neither connected
   * nor trying is `disconnected`.
   */
  readonly status: "disconnected" | "connecting" | "connected" | "reconnecting" | "refused";
  /** Why it is not connected; null without an error. */
  readonly error: Error | null;
  /** The time of the next attempt of `keepConnected`, in ms since 1970; null while it tries, or does not wait. */
  readonly retryAt: number | null;
}

/** The state of a connection that `keepConnected` has. */
export interface Keeper {
  refused: boolean;
  error: Error | null;
  retryAt: number | null;
  /** The connection may be closed. */
  look(): void;
}

export interface Link extends Subscribable<ConnectionState> {
  keeper: Keeper | undefined;
  /** The error with which the connection was closed last. */
  lastError: Error | null;
  /** Checks the connection, and notifies the listeners if its state has changed. */
  refresh(): void;
}

const LOOK_EVERY = 100;
const links = new WeakMap<Connection, Link>();

/** The state of a connection, to read and to subscribe to. */
export function connectionState(connection: Connection): Subscribable<ConnectionState> {
  return linkOf(connection);
}

/** One link for each connection, because one cannot unsubscribe from the events of a connection. */
export function linkOf(connection: Connection): Link {
  let link = links.get(connection);
  if (!link) {
    link = linkTo(connection);
    links.set(connection, link);
  }
  return link;
}

function linkTo(connection: Connection): Link {
  let wasConnected = false;
  let timer: ReturnType<typeof setInterval> | undefined;
  let value: ConnectionState = { status: "disconnected", error: null, retryAt: null };
  const { subscribe, changed } = notifier(() => value);
  let listeners = 0;

  // There is no event for `start()` of an application. So the state is polled while there is no connection.
  const watch = () => {
    const { state } = connection;
    const wanted = link.keeper ? state !== "Disconnected" : listeners > 0;
    const needed = wanted && state !== "Connected";
    if (needed) timer ??= setInterval(link.refresh, LOOK_EVERY);
    else timer = void clearInterval(timer);
  };
  const link: Link = {
    keeper: undefined,
    lastError: null,
    get value() {
      link.refresh();
      return value;
    },
    subscribe(listener) {
      const end = subscribe(listener);
      listeners += 1;
      link.refresh();
      return () => {
        end();
        listeners -= 1;
        watch();
      };
    },
    refresh() {
      const { keeper } = link;
      const next: ConnectionState = { status: statusOf(connection.state, keeper, wasConnected), error: null, retryAt: keeper?.retryAt ?? null };
      if (next.status === "connected") {
        wasConnected = true;
        link.lastError = null;
      } else {
        Object.assign(next, { error: keeper?.error ?? link.lastError });
      }
      if (next.status !== value.status || next.error !== value.error || next.retryAt !== value.retryAt) {
        value = next;
        changed();
      }
      if (connection.state === "Disconnected") keeper?.look();
      watch();
    },
  };
  const lost = (cause?: Error) => {
    wasConnected = true;
    link.lastError = cause ?? null;
    link.refresh();
  };
  connection.onclose(lost);
  connection.onreconnecting(lost);
  connection.onreconnected(link.refresh);
  return link;
}

function statusOf(state: string, keeper: Keeper | undefined, wasConnected: boolean): ConnectionState["status"] {
  if (state === "Connected") return "connected";
  if (keeper?.refused) return "refused";
  if (state === "Reconnecting") return "reconnecting";
  if (state !== "Connecting" && !keeper) return "disconnected";
  return wasConnected ? "reconnecting" : "connecting";
}

/** Resolves when it is connected, at once if it is; rejects when it is refused, or when `signal` is aborted. */
export function whenConnected(connection: Connection, signal?: AbortSignal): Promise<void> {
  const link = linkOf(connection);
  return new Promise((resolve, reject) => {
    const settle = () => {
      const { status, error } = link.value;
      if (status === "connected") resolve();
      else if (status === "refused") reject(error ?? new Error("The connection was refused."));
      else if (signal?.aborted) reject(new Error("Aborted before there was a connection."));
      else return false;
      return true;
    };
    if (settle()) return;
    const end = link.subscribe(() => settle() && done());
    const aborted = () => settle() && done();
    const done = () => {
      end();
      signal?.removeEventListener("abort", aborted);
    };
    signal?.addEventListener("abort", aborted);
  });
}

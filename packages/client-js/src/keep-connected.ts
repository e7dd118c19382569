import { delayBefore } from "./backoff.js";
import { linkOf, type Connection, type ConnectionState, type Keeper } from "./connection.js";
import type { Subscribable } from "./notifier.js";

export interface KeepOptions {
  /**
   * Whether to try again after this error of `start()`; `attempt` counts from 0 since it was last connected. Left out: as
   * often as it takes, but never after a 401 or 403, which would be the same the next time.
   */
  retry?: ((error: Error, attempt: number) => boolean) | undefined;
  /**
   * A call that shows whether a connection that looks open still is, made when the network or the page comes back. Any
   * answer will do, also an error. Left out: `invoke("RoomRuns", "")`; false: nothing is called.
   */
  probe?: (() => Promise<unknown>) | false | undefined;
  /** Ms until a start, or a probe, that nobody answers is broken off. Left out: 15,000 and 5,000. */
  startTimeout?: number | undefined;
  probeTimeout?: number | undefined;
}

export interface KeptConnection {
  /** The same as `connectionState(connection)`. */
  readonly state: Subscribable<ConnectionState>;
  /** Tries now: after a refusal, for example when somebody has signed in, or when a person does not want to wait. */
  retry(): void;
  /** Stops the connection, unless it is kept again at once. */
  stop(): Promise<void>;
}

/** A connection that lasted so long (ms) was a good one: the next start is tried soon. */
const LASTING = 5_000;
/** No two probes, and no two restarts of an attempt that goes on, within so many ms. */
const APART = 3_000;
const REFUSED = /Status code '40[13]'/;

interface Kept extends KeptConnection {
  users: number;
}

const kept = new WeakMap<Connection, Kept>();

/**
 * Starts the connection and starts it again whenever it is closed, until `stop()`: with growing pauses, and at once when the
 * network comes back or the page is looked at. Calling it again for the same connection shares what there is, with the
 * options of the first call, so effects may run twice.
 *
 * Build the connection without `withAutomaticReconnect`: this does the same, better informed. With it, both work together.
 */
export function keepConnected(connection: Connection, options: KeepOptions = {}): KeptConnection {
  let found = kept.get(connection);
  if (!found) {
    found = keep(connection, options, () => kept.delete(connection));
    kept.set(connection, found);
  }
  found.users += 1;
  const shared = found;
  let stopping: Promise<void> | undefined;
  return {
    state: shared.state,
    retry: shared.retry,
    stop() {
      stopping ??= new Promise<void>((resolve) => {
        shared.users -= 1;
        setTimeout(() => resolve(shared.users ? undefined : shared.stop()));
      });
      return stopping;
    },
  };
}

function keep(connection: Connection, options: KeepOptions, ended: () => void): Kept {
  const link = linkOf(connection);
  const { retry = (error) => !REFUSED.test(String(error)), probe = () => connection.invoke("RoomRuns", "") } = options;
  const keeper: Keeper = (link.keeper = { refused: false, error: null, retryAt: null, look: () => look() });
  let stopped = false;
  let starting = false;
  let attempt = 0;
  let connectedAt: number | undefined;
  let forcedAt = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const plan = (change: Partial<Keeper>) => {
    timer = void clearTimeout(timer);
    Object.assign(keeper, { retryAt: null, ...change });
  };
  const start = async () => {
    if (stopped || starting || connection.state !== "Disconnected") return;
    starting = true;
    plan({ refused: false });
    const limit = setTimeout(() => void connection.stop(), options.startTimeout ?? 15_000);
    try {
      const started = connection.start();
      link.refresh();
      await started;
      connectedAt = Date.now();
      plan({ error: null });
    } catch (error) {
      failed(error instanceof Error ? error : new Error(String(error)));
    } finally {
      clearTimeout(limit);
      starting = false;
      link.refresh();
    }
  };
  const failed = (error: Error) => {
    if (stopped) return;
    if (!retry(error, attempt)) return plan({ refused: true, error });
    wait(error, delayBefore(attempt++));
  };
  const wait = (error: Error | null, ms: number) => {
    plan({ error, retryAt: Date.now() + ms });
    timer = setTimeout(() => void start(), ms);
  };
  /** A connection that is closed, though nobody tries or waits to try, is started. */
  const look = () => {
    if (stopped || starting || timer !== undefined || keeper.refused || connection.state !== "Disconnected") return;
    const lasted = connectedAt === undefined ? Infinity : Date.now() - connectedAt;
    if (lasted >= LASTING) attempt = 0;
    // At once would be within the client's own callbacks.
    wait(link.lastError, connectedAt === undefined ? 0 : delayBefore(attempt++));
    connectedAt = undefined;
    link.refresh();
  };
  /** The network or the page is back. */
  const wake = () => {
    if (stopped || keeper.refused || starting) return;
    if (typeof document !== "undefined" && document.visibilityState === "hidden") return;
    if (connection.state === "Disconnected") return void start();
    if (Date.now() - forcedAt < APART) return;
    forcedAt = Date.now();
    if (connection.state === "Reconnecting") restart();
    else if (connection.state === "Connected" && probe) void probed(probe, options.probeTimeout ?? 5_000, restart);
  };
  /** What has its own pauses, or may be dead, is given up for a new start. */
  const restart = () => {
    connectedAt = undefined;
    void connection.stop().then(link.refresh);
  };
  const forget = onWake(wake);
  void start();
  return {
    users: 0,
    state: link,
    retry() {
      attempt = 0;
      if (connection.state === "Disconnected") void start();
      else if (connection.state === "Reconnecting") restart();
    },
    async stop() {
      stopped = true;
      plan({});
      ended();
      forget();
      if (link.keeper === keeper) link.keeper = undefined;
      await connection.stop();
      link.refresh();
    },
  };
}

/** Calls `silent` if the probe has no answer in time. */
async function probed(probe: () => Promise<unknown>, limit: number, silent: () => void): Promise<void> {
  const timer = setTimeout(silent, limit);
  await probe().catch(() => {});
  clearTimeout(timer);
}

/** Calls back when the network or the page may have come back. Returns what ends it. Outside a browser nothing happens. */
function onWake(callback: () => void): () => void {
  if (typeof addEventListener !== "function") return () => {};
  const over = new AbortController();
  const { signal } = over;
  for (const event of ["online", "focus", "pageshow"]) addEventListener(event, callback, { signal });
  if (typeof document !== "undefined") document.addEventListener("visibilitychange", callback, { signal });
  return () => over.abort();
}

import { delayBefore } from "./backoff.js";
import { linkOf, type Connection, type ConnectionState, type Keeper, type Link } from "./connection.js";
import type { Subscribable } from "./notifier.js";

export interface KeepOptions {
  /**
   * Whether to try again after this error of `start()`; `attempt` counts from 0 since it was last connected. Default:
   * without a limit, but never after a 401 or 403, which would be the same the next time.
   */
  retry?: ((error: Error, attempt: number) => boolean) | undefined;
  /**
   * A call that tests whether a connection that looks open still is, made when the network or the page comes back. Any
   * answer will do, even an error. Default: `invoke("RoomRuns", "")`; false: no call.
   */
  probe?: (() => Promise<unknown>) | false | undefined;
  /** Ms until a start, or a probe, without an answer is abandoned. Default: 15,000 and 5,000. */
  startTimeout?: number | undefined;
  probeTimeout?: number | undefined;
}

export interface KeptConnection {
  /** The same as `connectionState(connection)`. */
  readonly state: Subscribable<ConnectionState>;
  /** Tries now: after a refusal, for example when the user has signed in, or when the user does not want to wait. */
  retry(): void;
  /** Stops the connection, unless it is kept again at once. */
  stop(): Promise<void>;
}

/** After a connection of at least this time (ms), the next start is tried soon. */
const LASTING = 5_000;
/** The least time (ms) between two probes, and between two restarts of an attempt under way. */
const APART = 3_000;
const REFUSED = /Status code '40[13]'/;

const kept = new WeakMap<Connection, Keeping>();

/**
 * Starts the connection and starts it again whenever it is closed, until `stop()`: with growing pauses, and at once when the
 * network comes back or the page becomes visible. A second call for the same connection returns the same object, with the
 * options of the first call, so effects may run twice.
 *
 * Build the connection without `withAutomaticReconnect`, which this replaces. With it, both work together.
 */
export function keepConnected(connection: Connection, options: KeepOptions = {}): KeptConnection {
  const shared = kept.get(connection) ?? new Keeping(connection, options);
  kept.set(connection, shared);
  shared.users += 1;
  let stopping: Promise<void> | undefined;
  return {
    state: shared.link,
    retry: () => shared.retry(),
    stop() {
      stopping ??= new Promise<void>((resolve) => {
        shared.users -= 1;
        setTimeout(() => resolve(shared.users ? undefined : shared.stop()));
      });
      return stopping;
    },
  };
}

class Keeping implements Keeper {
  readonly link: Link;
  users = 0;
  refused = false;
  error: Error | null = null;
  retryAt: number | null = null;
  readonly #connection: Connection;
  readonly #options: KeepOptions;
  readonly #forget: () => void;
  #stopped = false;
  /** A start is under way. */
  #starting = false;
  /** Failed starts since it was last connected. */
  #attempt = 0;
  /** The time since which it is connected; undefined if the next start need not wait. */
  #connectedAt: number | undefined;
  #forcedAt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(connection: Connection, options: KeepOptions) {
    this.#connection = connection;
    this.#options = options;
    this.link = linkOf(connection);
    this.link.keeper = this;
    this.#forget = onWake((event) => this.#wake(event));
    void this.#start();
  }

  /** Starts a closed connection, unless an attempt is under way or planned. */
  look(): void {
    const { link } = this;
    if (this.#stopped || this.#starting || this.#timer !== undefined || this.refused) return;
    const at = this.#connectedAt;
    this.#connectedAt = undefined;
    if (at === undefined || Date.now() - at >= LASTING) this.#attempt = 0;
    // Not at once, because that would run inside the client's own callbacks.
    this.#wait(link.lastError, at === undefined ? 0 : delayBefore(this.#attempt++));
    link.refresh();
  }

  retry(): void {
    this.#attempt = 0;
    if (this.#connection.state === "Disconnected") void this.#start();
    else if (this.#connection.state === "Reconnecting") this.#restart();
  }

  async stop(): Promise<void> {
    const connection = this.#connection;
    this.#stopped = true;
    this.#plan({});
    this.#forget();
    kept.delete(connection);
    if (this.link.keeper === this) this.link.keeper = undefined;
    await connection.stop();
    this.link.refresh();
  }

  async #start(): Promise<void> {
    const connection = this.#connection;
    if (this.#stopped || this.#starting || connection.state !== "Disconnected") return;
    this.#starting = true;
    this.#plan({ refused: false });
    const limit = setTimeout(() => void connection.stop(), this.#options.startTimeout ?? 15_000);
    try {
      const started = connection.start();
      this.link.refresh();
      await started;
      this.#connectedAt = Date.now();
      this.#plan({ error: null });
    } catch (error) {
      if (!this.#stopped) this.#failed(error instanceof Error ? error : new Error(String(error)));
    } finally {
      clearTimeout(limit);
      this.#starting = false;
      this.link.refresh();
    }
  }

  #failed(error: Error): void {
    const { retry = () => !REFUSED.test(error.message) } = this.#options;
    if (retry(error, this.#attempt)) this.#wait(error, delayBefore(this.#attempt++));
    else this.#plan({ refused: true, error });
  }

  #wait(error: Error | null, ms: number): void {
    this.#plan({ error, retryAt: Date.now() + ms });
    this.#timer = setTimeout(() => void this.#start(), ms);
  }

  #plan(change: Partial<Keeper>): void {
    this.#timer = void clearTimeout(this.#timer);
    Object.assign(this, { retryAt: null, ...change });
  }

  /** The network or the page is back. */
  #wake(event: string): void {
    const { state } = this.#connection;
    if (this.#stopped || this.refused) return;
    const hidden = typeof document !== "undefined" && document.visibilityState === "hidden";
    if (hidden && event !== "online") return; // the page is hidden; wait until it is visible
    if (state === "Disconnected") return void this.#start();
    if (Date.now() - this.#forcedAt < APART) return;
    this.#forcedAt = Date.now();
    const { probe = () => this.#connection.invoke("RoomRuns", ""), probeTimeout = 5_000 } = this.#options;
    if (state === "Reconnecting") this.#restart();
    else if (state === "Connected" && probe) void probed(probe, probeTimeout, () => this.#restart());
    else if (state === "Connecting" && event === "online") this.#restart(); // it began on a network that is gone
  }

  /** Abandons an attempt that waits, or a connection that may be dead, for a new start. */
  #restart(): void {
    this.#connectedAt = undefined;
    void this.#connection.stop().then(() => this.#start());
  }
}

/** Calls `silent` if the probe has no answer in time. */
async function probed(probe: () => Promise<unknown>, limit: number, silent: () => void): Promise<void> {
  const timer = setTimeout(silent, limit);
  await probe().catch(() => {});
  clearTimeout(timer);
}

/** Calls back when the network or the page may have come back. Returns a function that ends this. Does nothing outside a browser. */
function onWake(callback: (event: string) => void): () => void {
  if (typeof addEventListener !== "function") return () => {};
  const over = new AbortController();
  const { signal } = over;
  const heard = ({ type }: Event) => callback(type);
  for (const event of ["online", "focus", "pageshow"]) addEventListener(event, heard, { signal });
  if (typeof document !== "undefined") document.addEventListener("visibilitychange", heard, { signal });
  return () => over.abort();
}

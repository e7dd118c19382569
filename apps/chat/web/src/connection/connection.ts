import type { RoomConnection } from "@hubline/client/rooms";
import { Store } from "../ui/store";
import { delayBefore } from "./backoff";
import type { ServerCalls } from "./contract";
import { ConnectionLost, Refused, SignedOut, sentence } from "./errors";
import type { HubPort, OpenPort, TransportChoice, TransportName } from "./hub-port";

export type Phase = "signed-out" | "connecting" | "live" | "reconnecting" | "offline";

export interface ConnectionState {
  phase: Phase;
  transport: TransportName | null;
  choice: TransportChoice;
  /** Round trip of the last ping in milliseconds. */
  rtt: number | null;
  reconnects: number;
  /** When the next try begins (ms since 1970); null while one is under way or none is planned. */
  retryAt: number | null;
  /** A call and the ping after it are unanswered: the network may be gone, though nothing has said so. */
  waiting: boolean;
}

export interface ConnectionHooks {
  /** Says who we are and restores what was open; the connection is live when it returns. */
  greet(): Promise<void>;
  /** Runs each time the connection has become live. */
  live(): void;
  called<K extends keyof ServerCalls>(name: K, args: ServerCalls[K]): void;
  /** The server does not let us in (any more); null: because the session has ended. The connection is closed then. */
  turnedAway(reason: string | null): void;
}

const START_LIMIT = 15_000;
const PING_LIMIT = 6_000;
/** After so long without an answer to a call the line is asked for a sign of life, */
const SILENCE = 3_000;
/** and after so long without that one people are told. */
const DOUBT = 500;

/** Keeps one hub connection alive: opens it, waits and tries again when it is lost, and says what it does. */
export class Connection {
  readonly state: Store<ConnectionState>;
  hooks: ConnectionHooks | null = null;
  readonly #openPort: OpenPort;
  #port: HubPort | null = null;
  #listeners: Parameters<RoomConnection["on"]>[] = [];
  /** Breaks off the calls of the port: a frozen network would keep them for a long time. */
  #breakOff: (error: ConnectionLost) => void = () => undefined;
  #broken: Promise<never> = new Promise(() => undefined);
  #timer: ReturnType<typeof setTimeout> | undefined;
  #attempt = 0;
  #wasLive = false;
  #online = true;

  constructor(openPort: OpenPort, choice: TransportChoice = "auto") {
    this.#openPort = openPort;
    this.state = new Store<ConnectionState>({
      phase: "signed-out",
      transport: null,
      choice,
      rtt: null,
      reconnects: 0,
      retryAt: null,
      waiting: false,
    });
  }

  /** Connects, and stays connected until `close`. */
  open(): void {
    this.#wasLive = false;
    this.#attempt = 0;
    this.#patch({ phase: "connecting", reconnects: 0 });
    void this.#try();
  }

  /** Signs out: no connection, no more tries. */
  close(): void {
    this.#drop();
    this.#patch({ phase: "signed-out", transport: null, rtt: null, retryAt: null });
  }

  tryNow(): void {
    const { phase } = this.state.value;
    if (this.#port || phase === "signed-out" || phase === "live") return;
    void this.#try();
  }

  /** Uses another transport from now on; a connection that is open is exchanged at once. */
  choose(choice: TransportChoice): void {
    if (choice === this.state.value.choice) return;
    this.#patch({ choice });
    if (this.state.value.phase === "signed-out") return;
    this.#drop();
    this.#attempt = 0;
    this.#patch({ phase: this.#wasLive ? "reconnecting" : "connecting", transport: null, rtt: null });
    void this.#try();
  }

  /** What the browser knows of the network. */
  setOnline(online: boolean): void {
    this.#online = online;
    const { phase } = this.state.value;
    if (phase === "signed-out") return;
    if (online && phase === "offline") {
      this.#attempt = 0;
      void this.#try();
    } else if (!online) {
      this.#drop();
      this.#patch({ phase: "offline", transport: null, rtt: null, retryAt: null });
    }
  }

  /** Asks for a sign of life and measures it; silence ends the connection, so that a new one is tried. */
  async ping(): Promise<void> {
    const port = this.#port;
    if (!port || this.state.value.phase !== "live") return;
    const begin = performance.now();
    try {
      await within(PING_LIMIT, port.invoke("Ping"));
      if (port === this.#port) this.#patch({ rtt: Math.round(performance.now() - begin), waiting: false });
    } catch {
      if (port === this.#port && this.state.value.phase === "live") this.#lost();
    }
  }

  /** Calls a method of the hub; raises `Refused` with a sentence or `ConnectionLost`. */
  async invoke<T>(method: string, ...args: unknown[]): Promise<T> {
    const port = this.#port;
    if (!port?.open) throw new ConnectionLost();
    const silence = setTimeout(() => port === this.#port && this.#doubt(port), SILENCE);
    try {
      return (await Promise.race([port.invoke(method, ...args), this.#broken])) as T;
    } catch (error) {
      if (!port.open || port !== this.#port) throw new ConnectionLost(error);
      throw new Refused(sentence(error));
    } finally {
      clearTimeout(silence);
    }
  }

  /** Tells the hub something of no importance: nobody waits, nobody minds when it gets lost. */
  tell(method: string, ...args: unknown[]): void {
    if (this.state.value.phase === "live") this.#port?.send(method, ...args).catch(() => undefined);
  }

  /** As runs and rooms see it, whichever port is open: connected while it is live. */
  readonly line: RoomConnection = (() => {
    const connection = this;
    const closed: ((error?: Error) => void)[] = [];
    const reconnected: (() => void)[] = [];
    let wasLive = false;
    const changed = () => {
      const live = this.state.value.phase === "live";
      if (live !== wasLive) for (const tell of live ? reconnected : closed) tell();
      wasLive = live;
    };
    return {
      get state() {
        return connection.state.value.phase === "live" ? "Connected" : "Reconnecting";
      },
      start: async () => {},
      stop: async () => {},
      stream: (method, ...args) => connection.#port!.stream(method, ...args),
      invoke: (method, ...args) => connection.invoke(method, ...args),
      on: (...listener) => {
        this.#listeners.push(listener);
        this.#port?.on(...listener);
      },
      off: (...listener) => {
        this.#listeners = this.#listeners.filter(([, handler]) => handler !== listener[1]);
        this.#port?.off(...listener);
      },
      onclose: (tell) => void closed.push(tell),
      onreconnecting() {},
      onreconnected: (tell) => {
        if (reconnected.push(() => tell()) > 1) return;
        wasLive = connection.state.value.phase === "live";
        connection.state.subscribe(changed);
      },
    };
  })();

  async #try(): Promise<void> {
    this.#drop();
    if (!this.#online) {
      this.#patch({ phase: "offline", retryAt: null });
      return;
    }
    this.#patch({ phase: this.#wasLive ? "reconnecting" : "connecting", retryAt: null });
    const port: HubPort = this.#openPort(
      {
        called: (name, args) => port === this.#port && this.hooks?.called(name, args),
        closed: () => port === this.#port && this.#lost(),
        signedOut: () => port === this.#port && this.#turnedAway(null),
      },
      this.state.value.choice,
    );
    this.#port = port;
    for (const listener of this.#listeners) port.on(...listener);
    this.#broken = new Promise((_, reject) => (this.#breakOff = reject));
    this.#broken.catch(() => undefined);
    try {
      await within(START_LIMIT, port.start());
      if (port !== this.#port) return;
      await this.hooks?.greet();
      if (port === this.#port) this.#becameLive(port);
    } catch (error) {
      if (port !== this.#port) return;
      if (error instanceof SignedOut) this.#turnedAway(null);
      else if (error instanceof Refused) this.#turnedAway(error.message);
      else this.#lost();
    }
  }

  #becameLive(port: HubPort): void {
    const reconnects = this.state.value.reconnects + (this.#wasLive && this.#attempt > 0 ? 1 : 0);
    this.#wasLive = true;
    this.#attempt = 0;
    this.#patch({ phase: "live", transport: port.transport, reconnects, retryAt: null });
    this.hooks?.live();
    void this.ping();
  }

  #turnedAway(reason: string | null): void {
    this.close();
    this.hooks?.turnedAway(reason);
  }

  /** A call has no answer yet: is the server slow, or the network gone? */
  #doubt(port: HubPort): void {
    if (this.state.value.phase !== "live") return;
    const doubt = setTimeout(() => port === this.#port && this.#patch({ waiting: true }), DOUBT);
    void this.ping().finally(() => clearTimeout(doubt));
  }

  #lost(): void {
    this.#drop();
    const wait = delayBefore(this.#attempt++);
    this.#patch({ phase: "reconnecting", transport: null, rtt: null, retryAt: Date.now() + wait });
    this.#timer = setTimeout(() => void this.#try(), wait);
  }

  /** Forgets the port and the planned try; the port is stopped in the background. */
  #drop(): void {
    clearTimeout(this.#timer);
    const port = this.#port;
    this.#port = null;
    this.#breakOff(new ConnectionLost("given up"));
    this.#patch({ waiting: false });
    port?.stop().catch(() => undefined);
  }

  #patch(change: Partial<ConnectionState>): void {
    this.state.update((state) => ({ ...state, ...change }));
  }
}

async function within<T>(limit: number, work: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new ConnectionLost("no answer in time")), limit);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

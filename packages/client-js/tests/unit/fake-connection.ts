import type { Connection } from "../../src/connection.js";
import type { StreamResult } from "../../src/iterate.js";

interface Observer {
  next(item: unknown): void;
  error(error: unknown): void;
  complete(): void;
}

/** One stream that was asked for. */
export class FakeStream implements StreamResult<unknown> {
  readonly observers: Observer[] = [];
  disposed = false;

  constructor(
    readonly method: string = "",
    readonly args: unknown[] = [],
  ) {}

  subscribe(observer: Observer) {
    this.observers.push(observer);
    return { dispose: () => void (this.disposed = true) };
  }

  next(...items: unknown[]) {
    for (const item of items) for (const observer of this.observers) observer.next(item);
  }

  error(error: unknown) {
    for (const observer of this.observers) observer.error(error);
  }

  complete() {
    for (const observer of this.observers) observer.complete();
  }
}

/** As the official client behaves: streams hear of a loss before its state changes, and nobody is told of a start. */
export class FakeConnection implements Connection {
  state = "Disconnected";
  readonly streams: FakeStream[] = [];
  readonly invocations: { method: string; args: unknown[]; resolve(value: unknown): void; reject(error: unknown): void }[] = [];
  /** What `start` does; connects at once if it is not set. */
  onStart: () => Promise<void> = () => Promise.resolve();
  starts = 0;
  stops = 0;
  readonly handlers = new Map<string, Set<(...args: any[]) => any>>();
  readonly #closed: ((error?: Error) => void)[] = [];
  readonly #reconnecting: ((error?: Error) => void)[] = [];
  readonly #reconnected: ((id?: string) => void)[] = [];

  async start() {
    if (this.state !== "Disconnected") throw new Error("Cannot start a HubConnection that is not in the 'Disconnected' state.");
    this.starts += 1;
    this.state = "Connecting";
    try {
      await this.onStart();
      this.state = "Connected";
    } catch (error) {
      this.state = "Disconnected";
      throw error;
    }
  }

  async stop() {
    this.stops += 1;
    if (this.state !== "Disconnected") this.close();
  }

  stream<T>(method: string, ...args: unknown[]): StreamResult<T> {
    const stream = new FakeStream(method, args);
    this.streams.push(stream);
    return stream as StreamResult<unknown> as StreamResult<T>;
  }

  invoke<T>(method: string, ...args: unknown[]): Promise<T> {
    return new Promise<T>((resolve, reject) =>
      this.invocations.push({ method, args, resolve: (value) => resolve(value as T), reject }),
    );
  }

  on(method: string, handler: (...args: any[]) => any) {
    this.handlers.set(method, (this.handlers.get(method) ?? new Set()).add(handler));
  }

  off(method: string, handler: (...args: any[]) => any) {
    this.handlers.get(method)?.delete(handler);
  }

  /** The server calls a method. */
  call(method: string, ...args: unknown[]) {
    for (const handler of this.handlers.get(method) ?? []) handler(...args);
  }

  onclose(callback: (error?: Error) => void) {
    this.#closed.push(callback);
  }

  onreconnecting(callback: (error?: Error) => void) {
    this.#reconnecting.push(callback);
  }

  onreconnected(callback: (id?: string) => void) {
    this.#reconnected.push(callback);
  }

  /** The line is cut, and the connection tries again by itself. */
  drop() {
    this.#lose(new Error("WebSocket closed with status code: 1006"));
    this.state = "Reconnecting";
    for (const callback of this.#reconnecting) callback(new Error("cut"));
  }

  restore() {
    this.state = "Connected";
    for (const callback of this.#reconnected) callback("id");
  }

  /** The connection is closed for good. */
  close(error?: Error) {
    this.#lose(error ?? new Error("Invocation canceled due to the underlying connection being closed."));
    this.state = "Disconnected";
    for (const callback of this.#closed) callback(error);
  }

  get last(): FakeStream {
    const stream = this.streams.at(-1);
    if (!stream) throw new Error("no stream was asked for");
    return stream;
  }

  #lose(error: Error) {
    for (const stream of this.streams) if (!stream.disposed) stream.error(error);
    for (const invocation of this.invocations.splice(0)) invocation.reject(error);
  }
}

/** All microtasks that are due, and those they bring about. */
export const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

export const hubError = (text: string) =>
  new Error(`An unexpected error occurred invoking 'AttachRun' on the server. HubException: ${text}`);

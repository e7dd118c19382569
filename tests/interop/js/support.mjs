// What every test file here needs: connections, an inbox that proves who did not receive, and a proxy that cuts the line.
import { randomUUID } from "node:crypto";
import net from "node:net";
import { test } from "node:test";
import { DefaultHttpClient, HttpClient, HttpTransportType, HubConnectionBuilder, JsonHubProtocol, LogLevel, NullLogger } from "@microsoft/signalr";
import { MessagePackHubProtocol } from "@microsoft/signalr-protocol-msgpack";

export const BASE = (process.env.HUBLINE_CONTRACT_URL ?? "http://127.0.0.1:5800").replace(/\/$/, "");
export const TRANSPORTS = {
  WebSockets: HttpTransportType.WebSockets,
  ServerSentEvents: HttpTransportType.ServerSentEvents,
  LongPolling: HttpTransportType.LongPolling,
};
export const CODECS = ["json", "messagepack"];
export const ANY = HttpTransportType.WebSockets | HttpTransportType.ServerSentEvents | HttpTransportType.LongPolling;

/** Every pair that can work: Server-Sent Events carry text only. */
export const MATRIX = Object.keys(TRANSPORTS).flatMap((transport) =>
  CODECS.filter((codec) => transport !== "ServerSentEvents" || codec === "json").map((codec) => ({ transport, codec })),
);

export const protocolOf = (codec) => (codec === "messagepack" ? new MessagePackHubProtocol() : new JsonHubProtocol());
export const unique = (text = "m") => `${text}-${randomUUID()}`;
export const token = async (query = "") => (await fetch(`${BASE}/token${query}`)).text();

/** One test for each pair; `body(line, t)` gets a `line` whose connections are stopped when the test ends. */
export function each(name, body, pairs = MATRIX) {
  for (const pair of pairs) {
    test(`${pair.transport}/${pair.codec}: ${name}`, { timeout: 120_000 }, (t) => body(new Line(t, pair), t));
  }
}

/** Opens connections over one transport and codec, and stops them at the end of the test. */
export class Line {
  constructor(t, { transport, codec }) {
    this.t = t;
    this.transport = transport;
    this.codec = codec;
  }

  build(path = "/hub", { base = BASE, reconnect, user, stateful, transport = TRANSPORTS[this.transport], protocol, ...options } = {}) {
    const builder = new HubConnectionBuilder()
      .withUrl(base + path, { transport, ...(user ? { accessTokenFactory: () => user } : {}), ...options })
      .withHubProtocol(protocol ?? protocolOf(this.codec))
      .configureLogging(options.logger ?? LogLevel.None);
    if (reconnect) builder.withAutomaticReconnect(reconnect);
    if (stateful) builder.withStatefulReconnect();
    const connection = builder.build();
    this.t.after(() => connection.stop());
    return connection;
  }

  async open(path, options) {
    const connection = this.build(path, options);
    await connection.start();
    return connection;
  }

  /** The same, admitted: on one of the hubs with all methods. */
  async openAdmitted(path, options) {
    return admitted(this.build(path, options));
  }

  /** Several open and admitted connections, each with an inbox: `[[connection, inbox], …]`. */
  async openWithInboxes(count, path, options) {
    return Promise.all(
      Array.from({ length: count }, async () => {
        const connection = this.build(path, options);
        const inbox = new Inbox(connection);
        return [await admitted(connection), inbox];
      }),
    );
  }
}

/**
 * Starts a connection and has it call the server. When that is answered the server has admitted it, and others reach it:
 * a client is started a moment before, by the answer to its handshake.
 */
export async function admitted(connection) {
  await connection.start();
  await connection.invoke("Add", 1, 1);
  return connection;
}

/** Remembers every `ReceiveMessage`, in order, and lets a test wait for one. */
export class Inbox {
  constructor(connection) {
    this.messages = [];
    this.waiting = [];
    connection.on("ReceiveMessage", (sender, text) => {
      this.messages.push([sender, text]);
      this.waiting = this.waiting.filter(([wanted, resolve]) => wanted !== text || resolve());
    });
  }

  /** Resolves when a message with this text came, also if it came before. */
  arrival(text) {
    if (this.messages.some((message) => message[1] === text)) return Promise.resolve();
    return new Promise((resolve) => this.waiting.push([text, resolve]));
  }

  /** The texts of all messages that came under this label, in order. */
  textsOf(label) {
    return this.messages.filter((message) => message[0] === label).map((message) => message[1]);
  }

  /** The senders' labels of all messages with this text. */
  labels(text) {
    return this.messages.filter((message) => message[1] === text).map((message) => message[0]);
  }
}

/**
 * Sends a message through `caller` to these connections and waits until all have it. Whatever was sent by the same caller
 * before and has not arrived by then never will: messages to one connection keep their order. With a backplane only those
 * that took the same way: a message to single connections of the server does not leave it, and overtakes the others.
 */
export async function fence(caller, receivers) {
  const text = unique("fence");
  if (process.env.HUBLINE_BACKPLANE) await caller.invoke("SendMessage", "fence", text);
  else await caller.invoke("ToClients", receivers.map(([connection]) => connection.connectionId), text);
  await Promise.all(receivers.map(([, inbox]) => inbox.arrival(text)));
}

/** A promise with its ends: for handlers that fire once. */
export function signal() {
  let resolve, reject;
  const promise = new Promise((yes, no) => ([resolve, reject] = [yes, no]));
  return { promise, resolve, reject };
}

/** Collects a stream: resolves `{items, error}` when it ended. */
export function collect(stream) {
  const items = [];
  return new Promise((resolve) =>
    stream.subscribe({
      next: (item) => items.push(item),
      error: (error) => resolve({ items, error }),
      complete: () => resolve({ items, error: undefined }),
    }),
  );
}

/** A TCP proxy before the server. `cut()` breaks every connection; while `closed`, new ones are refused at once. */
export async function proxy(t) {
  const target = new URL(BASE);
  const sockets = new Set();
  const state = { closed: false, accepted: 0 };
  const server = net.createServer((inner) => {
    state.accepted += 1;
    if (state.closed) return inner.resetAndDestroy();
    const outer = net.connect(Number(target.port), target.hostname);
    for (const [one, other] of [[inner, outer], [outer, inner]]) {
      sockets.add(one);
      one.on("error", () => other.destroy());
      one.on("close", () => (sockets.delete(one), other.destroy()));
      one.pipe(other);
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  state.base = `http://127.0.0.1:${server.address().port}`;
  state.cut = () => sockets.forEach((socket) => socket.resetAndDestroy());
  t.after(() => {
    state.cut();
    server.close();
  });
  return state;
}

/** The client's own HTTP, and a record of every request: `{method, path, query, authorization}`. */
export class Spy extends HttpClient {
  constructor() {
    super();
    this.requests = [];
    this.inner = new DefaultHttpClient(NullLogger.instance);
  }

  send(request) {
    const url = new URL(request.url);
    const authorization = request.headers?.Authorization ?? request.headers?.authorization;
    this.requests.push({ method: request.method, path: url.pathname, query: url.searchParams, authorization });
    return this.inner.send(request);
  }

  getCookieString(url) {
    return this.inner.getCookieString(url);
  }

  get negotiations() {
    return this.requests.filter((request) => request.path.endsWith("/negotiate"));
  }
}

/** A logger that remembers which transports were tried. */
export class Tried {
  constructor() {
    this.transports = [];
  }

  log(_, message) {
    const found = /^Selecting transport '(\w+)'\.$/.exec(message);
    if (found) this.transports.push(found[1]);
  }
}

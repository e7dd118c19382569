import net from "node:net";
import { HttpTransportType, HubConnectionBuilder, JsonHubProtocol, LogLevel, type HubConnection } from "@microsoft/signalr";
import { MessagePackHubProtocol } from "@microsoft/signalr-protocol-msgpack";
import { onTestFinished } from "vitest";

const { HUBLINE_CONTRACT_URL } = process.env;
if (!HUBLINE_CONTRACT_URL) throw new Error("HUBLINE_CONTRACT_URL is not set: run these tests by `pytest tests/interop/test_client_package.py`");
export const BASE: string = HUBLINE_CONTRACT_URL;

export const LINES = [
  { transport: HttpTransportType.WebSockets, codec: "json" },
  { transport: HttpTransportType.WebSockets, codec: "messagepack" },
  { transport: HttpTransportType.ServerSentEvents, codec: "json" },
  { transport: HttpTransportType.LongPolling, codec: "messagepack" },
] as const;
export type Line = (typeof LINES)[number];
export const nameOf = ({ transport, codec }: Line) => `${HttpTransportType[transport]}/${codec}`;

interface Options {
  base?: string;
  path?: string;
  reconnect?: number[];
  user?: string;
}

/** A connection that is not started, and is stopped when the test ends. */
export function build({ transport, codec }: Line, { base = BASE, path = "/hub-runs", reconnect, user }: Options = {}): HubConnection {
  const builder = new HubConnectionBuilder()
    .withUrl(base + path, { transport, ...(user ? { accessTokenFactory: () => user } : {}) })
    .withHubProtocol(codec === "json" ? new JsonHubProtocol() : new MessagePackHubProtocol())
    .configureLogging(LogLevel.None);
  if (reconnect) builder.withAutomaticReconnect(reconnect);
  const connection = builder.build();
  onTestFinished(() => connection.stop());
  return connection;
}

export async function open(line: Line, options?: Options): Promise<HubConnection> {
  const connection = build(line, options);
  await connection.start();
  return connection;
}

/** A token of somebody's. */
export const token = async (name: string) => (await fetch(`${BASE}/token?sub=${name}`)).text();

export interface Proxy {
  readonly base: string;
  cuts: number;
  /** Refuses whoever comes. */
  closed: boolean;
  /** Cuts every connection. */
  cut(): void;
}

/** A TCP proxy before the server. `bytes` says after how many bytes from the server a connection is cut, in the middle of whatever that is, by how many were cut already; left out, never. */
export async function proxy(bytes?: (cuts: number) => number): Promise<Proxy> {
  const target = new URL(BASE);
  const sockets = new Set<net.Socket>();
  const server = net.createServer((inner) => {
    if (state.closed) return inner.resetAndDestroy();
    const outer = net.connect(Number(target.port), target.hostname);
    for (const [one, other] of [
      [inner, outer],
      [outer, inner],
    ] as const) {
      sockets.add(one);
      one.on("error", () => other.destroy());
      one.on("close", () => {
        sockets.delete(one);
        other.destroy();
      });
    }
    inner.pipe(outer);
    let left = bytes?.(state.cuts) ?? Infinity;
    outer.on("data", (data: Buffer) => {
      left -= data.length;
      if (left > 0) return void inner.write(data);
      state.cuts += 1;
      inner.end(data.subarray(0, data.length + left));
      outer.resetAndDestroy();
    });
    outer.on("end", () => inner.end());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const state: Proxy = {
    base: `http://127.0.0.1:${(server.address() as net.AddressInfo).port}`,
    cuts: 0,
    closed: false,
    cut: () => sockets.forEach((socket) => socket.resetAndDestroy()),
  };
  onTestFinished(() => {
    state.cut();
    server.close();
  });
  return state;
}

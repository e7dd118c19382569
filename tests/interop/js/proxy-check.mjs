// Run by tests/deployment/test_nginx.py: `node proxy-check.mjs URL TOKEN` drives the official client through a proxy.
import { once } from "node:events";
import { HttpTransportType, HubConnectionBuilder, LogLevel } from "@microsoft/signalr";
import { protocolOf } from "./support.mjs";

const [url, token] = process.argv.slice(2);
const PAIRS = [
  [HttpTransportType.WebSockets, "json"],
  [HttpTransportType.WebSockets, "messagepack"],
  [HttpTransportType.ServerSentEvents, "json"],
  [HttpTransportType.LongPolling, "json"],
  [HttpTransportType.LongPolling, "messagepack"],
];

function open(transport, codec) {
  const connection = new HubConnectionBuilder()
    .withUrl(url, { transport, accessTokenFactory: () => token })
    .withHubProtocol(protocolOf(codec))
    .withAutomaticReconnect(Array(100).fill(100))
    .configureLogging(LogLevel.None)
    .build();
  return connection.start().then(() => connection);
}

/** The first item has to come before the last one is made: then nothing in between gathers the stream. */
async function streamed(connection, gate) {
  const items = [];
  await new Promise((resolve, reject) =>
    connection.stream("Gated", gate).subscribe({
      next: (item) => {
        items.push(item);
        if (items.length === 1) connection.invoke("Open", gate).catch(reject);
      },
      error: reject,
      complete: resolve,
    }),
  );
  return items;
}

const results = [];
const connections = [];
for (const [transport, codec] of PAIRS) {
  const connection = await open(transport, codec);
  connections.push(connection);
  results.push({
    transport: HttpTransportType[transport],
    codec,
    address: await connection.invoke("Address"),
    size: await connection.invoke("Size", "x".repeat(500_000)),
    items: await streamed(connection, `${transport} ${codec}`),
  });
}
console.log(JSON.stringify(results));

// The proxy is restarted now. Everybody comes back.
const back = connections.map((connection) => new Promise((resolve) => connection.onreconnected(resolve)));
await once(process.stdin, "data");
await Promise.all(back);
console.log(JSON.stringify(await Promise.all(connections.map((connection) => connection.invoke("Size", "back")))));
await Promise.all(connections.map((connection) => connection.stop()));
process.exit(0);

// Run by tests/deployment/test_nginx.py: `node proxy-check.mjs URL TOKEN` drives the official client through a proxy.
// It answers the lines on its input with one line each: `call` calls on every connection, and `return` does so when every
// one has reconnected once more. The answers hold how often each has.
import { createInterface } from "node:readline";
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

/** Counts how often a connection came back, and lets the test wait for it. */
class Returns {
  constructor(connection) {
    this.count = this.expected = 0;
    this.waiting = () => {};
    connection.onreconnected(() => {
      this.count += 1;
      this.waiting();
    });
  }

  async next() {
    this.expected += 1;
    while (this.count < this.expected) await new Promise((resolve) => (this.waiting = resolve));
  }
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
const returns = connections.map((connection) => new Returns(connection));
console.log(JSON.stringify(results));

for await (const line of createInterface({ input: process.stdin })) {
  // A reload of the proxy closes sockets that wait for their next request, and a POST on one that is just being closed
  // fails for good. By the answer to this request the client has seen which ones are closed.
  await fetch(url).then((answer) => answer.arrayBuffer(), () => {});
  if (line === "return") await Promise.all(returns.map((each) => each.next()));
  const sizes = await Promise.all(connections.map((connection) => connection.invoke("Size", line)));
  console.log(JSON.stringify({ sizes, returns: returns.map((each) => each.count) }));
}
await Promise.all(connections.map((connection) => connection.stop()));
process.exit(0);

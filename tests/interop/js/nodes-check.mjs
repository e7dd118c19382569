// Run by tests/interop/test_nodes.py: `node nodes-check.mjs URL` opens connections of the official client on every
// transport, and keeps calls going on those over WebSockets. It answers the lines on its input with one line each: `look`
// says where each connection lives, how often it has reconnected and which calls have failed; `return [0, 3]` does so when
// these connections have reconnected.
import { createInterface } from "node:readline";
import { HttpTransportType, HubConnectionBuilder, LogLevel } from "@microsoft/signalr";
import { MATRIX, TRANSPORTS, protocolOf } from "./support.mjs";

const url = process.argv[2];
const EACH = 6;
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

class Client {
  constructor(transport, codec) {
    this.transport = transport;
    this.returns = this.failed = this.calls = 0;
    this.connection = new HubConnectionBuilder()
      .withUrl(url, { transport: TRANSPORTS[transport] })
      .withHubProtocol(protocolOf(codec))
      .withAutomaticReconnect(Array(200).fill(50))
      .configureLogging(LogLevel.None)
      .build();
    this.connection.on("Double", (value) => value * 2);
    this.connection.onreconnected(() => {
      this.returns += 1;
      wake();
    });
  }

  async open() {
    await this.connection.start();
    this.id = this.connection.connectionId;
    if (TRANSPORTS[this.transport] === HttpTransportType.WebSockets) this.call();
  }

  /** One call after the other. */
  async call() {
    while (!stopped) {
      try {
        await this.connection.invoke("Node");
        this.calls += 1;
      } catch {
        this.failed += 1;
      }
      await pause(5);
    }
  }

  async look() {
    let node;
    while (!node) node = await this.connection.invoke("Node").catch(() => pause(20));
    const { transport, returns, failed, calls } = this;
    const doubled = await this.connection.invoke("AskMe", 21);
    return { transport, node, doubled, returns, failed, calls, same: this.connection.connectionId === this.id };
  }
}

let stopped = false;
let wake = () => {};
const clients = MATRIX.flatMap(({ transport, codec }) => Array.from({ length: EACH }, () => new Client(transport, codec)));
await Promise.all(clients.map((client) => client.open()));
console.log(JSON.stringify(await Promise.all(clients.map((client) => client.look()))));

for await (const line of createInterface({ input: process.stdin })) {
  const wanted = JSON.parse(/^return (.*)$/.exec(line)?.[1] ?? "[]");
  while (wanted.some((index) => clients[index].returns === 0)) await new Promise((resolve) => (wake = resolve));
  console.log(JSON.stringify(await Promise.all(clients.map((client) => client.look()))));
}
stopped = true;
await Promise.all(clients.map((client) => client.connection.stop()));
process.exit(0);

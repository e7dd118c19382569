// Run by tests/interop/test_managed_service.py: `node service-check.mjs URL` opens a connection of the official client on
// every transport and codec, each as a user of its own. It answers the lines on its input with one line each: `until end`
// says what each connection was told until it was told "end"; `closed` says why each was closed.
import { createInterface } from "node:readline";
import { HubConnectionBuilder, LogLevel } from "@microsoft/signalr";
import { MATRIX, TRANSPORTS, protocolOf } from "./support.mjs";

const url = process.argv[2];
let wake = () => {};

class Client {
  constructor({ transport, codec }, index) {
    this.user = `user ${index}/${transport}`;
    this.told = [];
    this.connection = new HubConnectionBuilder()
      .withUrl(url, { transport: TRANSPORTS[transport], headers: { "x-user": this.user } })
      .withHubProtocol(protocolOf(codec))
      .configureLogging(LogLevel.None)
      .build();
    this.connection.on("Told", (text) => {
      this.told.push(text);
      wake();
    });
    this.connection.on("Double", (value) => value * 2);
    this.connection.onclose((error) => {
      this.closed = `${error?.message}`;
      wake();
    });
  }
}

const until = async (condition) => {
  while (!condition()) await new Promise((resolve) => (wake = resolve));
};

const clients = MATRIX.map((pair, index) => new Client(pair, index));
await Promise.all(clients.map(({ connection }) => connection.start()));
console.log(JSON.stringify(clients.map(({ user }) => user)));

for await (const line of createInterface({ input: process.stdin })) {
  if (line === "closed") {
    await until(() => clients.every(({ closed }) => closed !== undefined));
    console.log(JSON.stringify(clients.map(({ closed }) => closed)));
  } else {
    await until(() => clients.every(({ told }) => told.at(-1) === "end"));
    console.log(JSON.stringify(clients.map(({ told }) => told.splice(0).slice(0, -1))));
  }
}
await Promise.all(clients.map(({ connection }) => connection.stop()));
process.exit(0);

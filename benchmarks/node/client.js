// The official client, measured as benchmarks/clients/hubline_client.py is.
import { HubConnectionBuilder, HttpTransportType, LogLevel } from "@microsoft/signalr";
import { MessagePackHubProtocol } from "@microsoft/signalr-protocol-msgpack";

const [url, codec, ...numbers] = process.argv.slice(2);
const [calls, items, tokens] = numbers.map(Number);
const SIZE = 8;
const figures = {};

const builder = new HubConnectionBuilder()
  .withUrl(url.replace("ws://", "http://"), { transport: HttpTransportType.WebSockets })
  .configureLogging(LogLevel.None);
if (codec === "messagepack") builder.withHubProtocol(new MessagePackHubProtocol());
const hub = builder.build();

async function call(count) {
  for (let n = 0; n < count; n++) await hub.invoke("EchoText", "hello");
}

async function read(count, stream) {
  let found = 0;
  await new Promise((complete, error) => stream.subscribe({ next: () => found++, complete, error }));
  if (found !== count) throw new Error(`${found} of ${count} items have come`);
}

async function part(name, count, work) {
  await work(Math.floor(count / 5));
  const used = process.cpuUsage();
  const started = performance.now();
  await work(count);
  const { user, system } = process.cpuUsage(used);
  const wall = (performance.now() - started) * 1000;
  figures[name] = { count, user_us: user / count, system_us: system / count, wall_us: wall / count };
}

await hub.start();
await part("calls", calls, call);
await part("items", items, (count) => read(count, hub.stream("Tokens", count, SIZE)));
await part("tokens", tokens, (count) => read(count, hub.stream("PacedTokens", count, SIZE, 1)));
await hub.stop();
console.log(JSON.stringify(figures));

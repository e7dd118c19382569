// How connections begin and end: negotiate, redirect, fallback, welcome, refusal, abort, reconnect.
import assert from "node:assert/strict";
import { test } from "node:test";
import { HttpTransportType, TransferFormat } from "@microsoft/signalr";
import { ANY, CODECS, each, fence, Inbox, Line, MATRIX, proxy, signal, Spy, Tried, unique } from "./support.mjs";

const WEBSOCKETS = MATRIX.filter(({ transport }) => transport === "WebSockets");
const INSTANTLY = [0, 20, 20, 50, 50, 100, 100, 200, 200, 500, 500, 1000, 1000];

each("the transport that was asked for is used", async (line) => {
  const logger = new Tried();
  const c = await line.open("/hub", { logger });
  assert.deepEqual(logger.transports, [line.transport]);
  assert.equal(await c.invoke("Add", 1, 2), 3);
});

each("a query of the hub's address stays with the connection", async (line) => {
  const c = line.build("/hub?welcome=1");
  const inbox = new Inbox(c);
  await c.start();
  await inbox.arrival("Welcome to the chat!");
  assert.deepEqual(inbox.textsOf("System"), ["Welcome to the chat!"]);
  assert.equal(await c.invoke("Add", 1, 2), 3);
});

// statement 142
each("a welcome comes before the first answer", async (line) => {
  const c = line.build("/hub?welcome=1");
  const events = [];
  c.on("ReceiveMessage", (sender) => sender === "System" && events.push(sender));
  await c.start();
  events.push(await c.invoke("Add", 1, 2));
  assert.deepEqual(events, ["System", 3]);
});

each("only who connects is welcomed", async (line) => {
  const [[there, inbox]] = await line.openWithInboxes(1);
  await line.openAdmitted("/hub?welcome=1");
  await fence(there, [[there, inbox]]);
  assert.deepEqual(inbox.labels("Welcome to the chat!"), []);
});

// statement 143, 201
each("refused by on_connected: the client is told why and does not come back", async (line) => {
  const c = line.build("/hub?refuse=1", { reconnect: INSTANTLY });
  const closed = signal();
  c.onclose(closed.resolve);
  c.onreconnecting(() => closed.reject(new Error("it reconnects")));
  const error = await c.start().then(() => closed.promise, (refused) => refused);
  assert.match(error.message, /Connection closed with an error\. HubException: refused/);
});

// statement 201
each("aborted by the server: closed without an error and without a reconnect", async (line) => {
  const c = line.build("/hub", { reconnect: INSTANTLY });
  const closed = signal();
  c.onclose(closed.resolve);
  c.onreconnecting(() => closed.reject(new Error("it reconnects")));
  await c.start();
  await c.send("Abort");
  // A server that hangs up right behind its close frame (hypercorn does) makes the client call the end unclean.
  assert.match(String(await closed.promise), /^undefined$|WebSocket closed with status code: 1000/);
  assert.equal(c.state, "Disconnected");
});

each("a call that is under way when the connection is aborted fails", async (line) => {
  const c = await line.open();
  const slow = assert.rejects(c.invoke("Slow", 60_000), { message: /Invocation canceled due to the underlying connection being closed\./ });
  const gone = new Promise((resolve) => c.onclose(resolve));
  const stream = new Promise((resolve) => c.stream("Count", 1_000_000, 10).subscribe({ next: () => c.stop(), error: resolve, complete: resolve }));
  await slow;
  assert.ok((await stream) instanceof Error);
  await gone;
});

each("stopping is clean, and one can start again", async (line) => {
  const c = line.build();
  let closings = 0;
  c.onclose((error) => (assert.equal(error, undefined), (closings += 1)));
  await c.start();
  const first = c.connectionId;
  await c.stop();
  await c.start();
  assert.notEqual(c.connectionId, first);
  assert.equal(await c.invoke("Add", 1, 2), 3);
  await c.stop();
  assert.equal(closings, 2);
});

// statement 149, 203, 204
each("a broken line: reconnects under a new id, without its groups", async (line, t) => {
  const wire = await proxy(t);
  const [[other, otherInbox]] = await line.openWithInboxes(1);
  const c = line.build("/hub", { base: wire.base, reconnect: INSTANTLY });
  const inbox = new Inbox(c);
  const [lost, found] = [signal(), signal()];
  c.onreconnecting(lost.resolve);
  c.onreconnected(found.resolve);
  await c.start();
  const before = c.connectionId;
  const group = unique("g");
  await c.invoke("Join", group);
  const pending = assert.rejects(c.invoke("Slow", 60_000));
  await c.send("ConnectionId");
  wire.cut();
  await lost.promise;
  await pending;
  const now = await found.promise;
  assert.equal(now, c.connectionId);
  assert.notEqual(now, before);
  assert.equal(await c.invoke("ConnectionId"), now);
  const text = unique();
  await other.invoke("ToGroup", group, text);
  await fence(other, [[c, inbox], [other, otherInbox]]);
  assert.deepEqual(inbox.labels(text), []);
});

// statement 203
each("while it reconnects, calls are refused, and it goes on trying", async (line, t) => {
  const wire = await proxy(t);
  const c = line.build("/hub", { base: wire.base, reconnect: INSTANTLY });
  const [lost, found] = [signal(), signal()];
  c.onreconnecting(lost.resolve);
  c.onreconnected(found.resolve);
  await c.start();
  wire.closed = true;
  wire.cut();
  await lost.promise;
  const tries = wire.accepted;
  await assert.rejects(c.invoke("Add", 1, 2), { message: /not in the 'Connected' State/ });
  while (wire.accepted < tries + 2) await new Promise(setImmediate);
  wire.closed = false;
  await found.promise;
  assert.equal(await c.invoke("Add", 1, 2), 3);
});

each("a client that gives up is told so", async (line, t) => {
  const wire = await proxy(t);
  const c = line.build("/hub", { base: wire.base, reconnect: [0, 10] });
  const closed = signal();
  c.onclose(closed.resolve);
  await c.start();
  wire.closed = true;
  wire.cut();
  await closed.promise;
  assert.equal(c.state, "Disconnected");
});

// statement 205
each("stop while it reconnects ends it once", async (line, t) => {
  const wire = await proxy(t);
  const c = line.build("/hub", { base: wire.base, reconnect: [0, 60_000] });
  const lost = signal();
  let closings = 0;
  c.onclose(() => (closings += 1));
  c.onreconnecting(lost.resolve);
  await c.start();
  wire.closed = true;
  wire.cut();
  await lost.promise;
  await c.stop();
  assert.equal(closings, 1);
  assert.equal(c.state, "Disconnected");
});

// statement 168
each("closed by the server with permission: reconnects", async (line) => {
  const c = line.build("/hub", { reconnect: INSTANTLY });
  const [lost, found] = [signal(), signal()];
  c.onreconnecting(lost.resolve);
  c.onreconnected(found.resolve);
  await c.start();
  await assert.rejects(c.invoke("EchoText", "y".repeat(33_000)));
  assert.match((await lost.promise).message, /Server returned an error on close: Connection closed with an error\./);
  await found.promise;
  assert.equal(await c.invoke("Add", 1, 2), 3);
});

// statement 22
each("a redirect is followed, with its token", async (line) => {
  const httpClient = new Spy();
  const c = await line.open("/redirect", { httpClient });
  assert.deepEqual(httpClient.negotiations.map(({ path, authorization }) => [path, authorization]), [["/redirect/negotiate", undefined], ["/hub/negotiate", "Bearer redirected"]]);
  assert.equal(await c.invoke("Add", 1, 2), 3);
  assert.equal(await c.invoke("UserId"), null);
});

// statement 24
each("an error of the negotiation is told", async (line) => {
  await assert.rejects(line.open("/hub?negotiateVersion=x"), { message: /The client requested a non-integer protocol version\./ });
});

each("where there is no hub", async (line) => {
  await assert.rejects(line.open("/nowhere"), /404/);
});

each("asking for a stateful connection", async (line) => {
  const c = await line.open("/hub-stateful", { stateful: true });
  for (let i = 0; i < 50; i++) assert.equal(await c.invoke("Add", i, 1), i + 1);
});

each("several pings do no harm", async (line) => {
  const c = line.build();
  c.keepAliveIntervalInMilliseconds = 1;
  await c.start();
  const { items, error } = await new Promise((resolve) => {
    const items = [];
    c.stream("Count", 40, 5).subscribe({ next: (item) => items.push(item), error: (error) => resolve({ items, error }), complete: () => resolve({ items }) });
  });
  assert.equal(error, undefined);
  assert.equal(items.length, 40);
});

// statement 39
each("negotiation skipped", async (line) => {
  const httpClient = new Spy();
  const c = await line.open("/hub", { skipNegotiation: true, httpClient });
  assert.deepEqual(httpClient.requests, []);
  assert.equal(await c.invoke("Add", 1, 2), 3);
  assert.match(await c.invoke("ConnectionId"), /^[A-Za-z0-9_-]{22}$/);
}, WEBSOCKETS);

each("negotiation skipped, with a broken line", async (line, t) => {
  const wire = await proxy(t);
  const c = line.build("/hub", { base: wire.base, skipNegotiation: true, reconnect: INSTANTLY });
  const found = signal();
  c.onreconnected(found.resolve);
  await c.start();
  const before = await c.invoke("ConnectionId");
  wire.cut();
  await found.promise;
  assert.notEqual(await c.invoke("ConnectionId"), before);
}, WEBSOCKETS);

each("a hub without WebSockets: the next transport is taken", async (line) => {
  const logger = new Tried();
  const httpClient = new Spy();
  const c = await line.open("/hub-nows", { transport: ANY, logger, httpClient });
  assert.deepEqual(logger.transports, [line.codec === "json" ? "ServerSentEvents" : "LongPolling"]);
  assert.equal(httpClient.negotiations.length, 1);
  assert.equal(await c.invoke("Add", 1, 2), 3);
}, WEBSOCKETS);

each("a hub with long polling only", async (line) => {
  const logger = new Tried();
  const c = await line.open("/hub-lp", { transport: ANY, logger });
  assert.deepEqual(logger.transports, ["LongPolling"]);
  assert.equal(await c.invoke("Add", 1, 2), 3);
}, WEBSOCKETS);

// statement 198
each("a transport that fails to start: negotiates again and takes the next", async (line) => {
  class Broken {
    constructor() {
      throw new Error("no WebSockets here");
    }
  }
  const logger = new Tried();
  const httpClient = new Spy();
  const c = await line.open("/hub", { transport: ANY, WebSocket: Broken, logger, httpClient });
  assert.deepEqual(logger.transports, ["WebSockets", line.codec === "json" ? "ServerSentEvents" : "LongPolling"]);
  assert.equal(httpClient.negotiations.length, 2);
  assert.equal(await c.invoke("Add", 1, 2), 3);
}, WEBSOCKETS);

each("a transport that the hub has not", async (line) => {
  await assert.rejects(line.open("/hub-nows", { transport: HttpTransportType.WebSockets }), /'WebSockets' is not supported by the server|Unable to connect/);
}, WEBSOCKETS);

// statement 210
each("long polling ends with a DELETE and asks again after an empty poll", async (line) => {
  const httpClient = new Spy();
  const c = await line.open("/hub", { httpClient });
  await c.invoke("Add", 1, 2);
  await c.stop();
  const verbs = httpClient.requests.map(({ method }) => method);
  assert.equal(verbs.filter((verb) => verb === "DELETE").length, 1);
  assert.ok(verbs.filter((verb) => verb === "GET").length >= 3);
}, MATRIX.filter(({ transport }) => transport === "LongPolling"));

// statement 85
each("a codec that the server has not: starting fails with its text", async (line) => {
  const protocol = { name: "xml", version: 1, transferFormat: TransferFormat.Text, parseMessages: () => [], writeMessage: () => "" };
  await assert.rejects(line.open("/hub", { protocol }), { message: /The protocol 'xml' is not supported\./ });
}, WEBSOCKETS.filter(({ codec }) => codec === "json"));

test("MessagePack over Server-Sent Events is refused", async (t) => {
  const line = new Line(t, { transport: "ServerSentEvents", codec: "messagepack" });
  await assert.rejects(line.open(), /'ServerSentEvents' does not support Binary/);
});

for (const codec of CODECS) {
  test(`fifty connections at once/${codec}`, { timeout: 120_000 }, async (t) => {
    const lines = Array.from({ length: 50 }, (_, i) => new Line(t, MATRIX.filter((pair) => pair.codec === codec)[i % (codec === "json" ? 3 : 2)]));
    const all = await Promise.all(lines.map((line) => line.open()));
    assert.equal(new Set(all.map((c) => c.connectionId)).size, 50);
    assert.deepEqual(await Promise.all(all.map((c, i) => c.invoke("Add", i, 1))), all.map((_, i) => i + 1));
  });
}

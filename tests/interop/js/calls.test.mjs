// Calls and their results, errors, values of every kind, sizes.
import assert from "node:assert/strict";
import { test } from "node:test";
import { each, Inbox, unique } from "./support.mjs";

each("add", async (line) => {
  const c = await line.open();
  assert.equal(await c.invoke("Add", 40, 2), 42);
});

// statement 110
each("method names ignore case", async (line) => {
  const c = await line.open();
  assert.equal(await c.invoke("aDD", 40, 2), 42);
  assert.equal(await c.invoke("ADD", 1, 2), 3);
});

each("a method under another name is unknown under its own", async (line) => {
  const c = await line.open();
  assert.equal(await c.invoke("renamed"), "renamed");
  await assert.rejects(c.invoke("Original"), { message: "Failed to invoke 'Original' due to an error on the server. HubException: Method does not exist." });
});

each("text comes back as it went", async (line) => {
  const c = await line.open();
  for (const text of ["", "héllo 🎉", "ü \"quoted\" <tag> & '   \\ / \u0000 \u001f", "a\nb\r\nc", "\u001e", "עברית 中文"]) {
    assert.equal(await c.invoke("EchoText", text), text);
  }
});

each("values of any shape come back", async (line) => {
  const c = await line.open();
  const values = [null, true, false, 0, -1, 127, 128, 65_536, 2 ** 40, 0.5, -1.25e-7, "x", [], [1, "a", null, [2]], {}, { a: { b: [1, { c: null }] }, A: 1, "a b": 2 }];
  for (const value of values) assert.deepEqual(await c.invoke("Echo", value), value);
});

each("nothing and null", async (line) => {
  const c = await line.open();
  for (const method of ["Nothing", "NothingAsync", "Null"]) assert.equal(await c.invoke(method), null);
});

each("a record keeps its fields", async (line) => {
  const c = await line.open();
  const [name, age, tags] = line.codec === "json" ? ["name", "age", "tags"] : ["Name", "Age", "Tags"];
  const ada = { [name]: "Ada", [age]: 36, [tags]: ["x", "y"] };
  assert.deepEqual(await c.invoke("EchoPerson", ada), ada);
  assert.deepEqual(await c.invoke("EchoPerson", { [name]: "Bob", [age]: 4 }), { [name]: "Bob", [age]: 4, [tags]: null });
  if (line.codec === "json") assert.deepEqual(await c.invoke("EchoPerson", { NAME: "Eve", Age: 5, tags: [] }), { name: "Eve", age: 5, tags: [] });
});

each("a map keeps its keys", async (line) => {
  const c = await line.open();
  const map = { a: 1, Bc: 2, some_key: 3 };
  assert.deepEqual(await c.invoke("EchoMap", map), map);
});

each("bytes", async (line) => {
  const c = await line.open();
  for (const bytes of [[], [1, 2, 3, 255], Array.from({ length: 256 }, (_, i) => i)]) {
    const buffer = Buffer.from(bytes);
    if (line.codec === "json") assert.equal(await c.invoke("EchoBytes", buffer.toString("base64")), buffer.toString("base64"));
    else assert.deepEqual([...(await c.invoke("EchoBytes", buffer))], bytes);
  }
});

each("dates", async (line) => {
  const c = await line.open();
  for (const date of [new Date(Date.UTC(2026, 10, 22, 10, 20, 30, 123)), new Date(Date.UTC(1969, 6, 20, 20, 17, 40)), new Date(0)]) {
    const back = await c.invoke("EchoDate", line.codec === "json" ? date.toISOString() : date);
    assert.equal(new Date(back).getTime(), date.getTime());
    if (line.codec === "messagepack") assert.ok(back instanceof Date);
  }
});

each("the connection id is the client's own", async (line) => {
  const c = await line.open();
  assert.equal(await c.invoke("ConnectionId"), c.connectionId);
  assert.match(c.connectionId, /^[A-Za-z0-9_-]{22}$/);
});

each("without a token there is no user", async (line) => {
  const c = await line.open();
  assert.equal(await c.invoke("UserId"), null);
});

// statement 111, 112, 116, 117
each("error texts", async (line) => {
  const c = await line.open();
  const fails = (call, message) => assert.rejects(call, { message });
  await fails(c.invoke("Throw"), "An unexpected error occurred invoking 'Throw' on the server.");
  await fails(c.invoke("ThrowHub", "you may read this"), "An unexpected error occurred invoking 'ThrowHub' on the server. HubException: you may read this");
  await fails(c.invoke("throwHUB", "as registered"), "An unexpected error occurred invoking 'ThrowHub' on the server. HubException: as registered");
  await fails(c.invoke("NoSuchMethod"), "Failed to invoke 'NoSuchMethod' due to an error on the server. HubException: Method does not exist.");
  await fails(c.invoke("Add", 1), "Failed to invoke 'Add' due to an error on the server.");
  await fails(c.invoke("Add", 1, 2, 3), "Failed to invoke 'Add' due to an error on the server.");
  await fails(c.invoke("Add", "a", "b"), "Failed to invoke 'Add' due to an error on the server.");
  await fails(c.invoke("Add", 1, null), "Failed to invoke 'Add' due to an error on the server.");
  await fails(c.invoke("Count", 1, 0), "The client attempted to invoke the streaming 'Count' method with a non-streaming invocation.");
  await fails(c.invoke("NeedsUser"), "Failed to invoke 'NeedsUser' because user is unauthorized");
  assert.equal(await c.invoke("Add", 1, 2), 3, "the connection survives all of them");
});

each("a call without an answer is not answered, even when it fails", async (line) => {
  const [[c, inbox]] = await line.openWithInboxes(1);
  const text = unique();
  for (const call of [["NoSuchMethod"], ["Add", 1], ["Throw"], ["Count", 1, 0]]) await c.send(...call);
  await c.send("ToCaller", text);
  await inbox.arrival(text);
  assert.deepEqual(inbox.labels(text), ["caller"]);
  assert.equal(await c.invoke("Add", 1, 2), 3);
});

each("fifty concurrent calls", async (line) => {
  const c = await line.open();
  const sums = await Promise.all(Array.from({ length: 50 }, (_, i) => c.invoke("Add", i, i)));
  assert.deepEqual(sums, Array.from({ length: 50 }, (_, i) => 2 * i));
});

// statement 120
each("calls of one connection run one after the other", async (line) => {
  const c = await line.open();
  const order = [];
  await Promise.all([120, 1, 20].map(async (ms) => order.push(await c.invoke("Slow", ms))));
  assert.deepEqual(order, [120, 1, 20]);
});

each("a slow call of one connection holds up no other", async (line) => {
  const [slow, quick] = await Promise.all([line.open(), line.open()]);
  const cut = assert.rejects(slow.invoke("Slow", 600_000)); // longer than this test may take
  assert.equal(await quick.invoke("Add", 1, 1), 2);
  await slow.stop();
  await cut;
});

each("text up to the size limit passes, in both directions", async (line) => {
  const c = await line.open();
  const text = "y".repeat(32_000);
  assert.equal(await c.invoke("EchoText", text), text);
  const umlauts = "ü".repeat(16_000);
  assert.equal(await c.invoke("EchoText", umlauts), umlauts);
});

each("what the server sends may be larger than what it takes", async (line) => {
  const c = await line.open();
  const received = await new Promise((resolve, reject) => c.stream("Tokens", 1, 500_000).subscribe({ next: resolve, error: reject, complete() {} }));
  assert.equal(received.length, 500_000);
});

each("a call over the size limit closes the connection with an error", async (line) => {
  const c = line.build();
  const closed = new Promise((resolve) => c.onclose(resolve));
  await c.start();
  await assert.rejects(c.invoke("EchoText", "y".repeat(33_000)));
  assert.match((await closed).message, /^Server returned an error on close: Connection closed with an error\.$/);
  const again = await line.open();
  assert.equal(await again.invoke("Add", 1, 2), 3);
});

each("a message in a burst of many arrives once and in order", async (line) => {
  const [[c, inbox]] = await line.openWithInboxes(1);
  const texts = Array.from({ length: 200 }, (_, i) => unique(String(i)));
  for (const text of texts) c.send("ToCaller", text);
  await inbox.arrival(texts.at(-1));
  assert.deepEqual(inbox.textsOf("caller"), texts);
});

test("an inbox knows what came before it was asked", async () => {
  const handlers = [];
  const inbox = new Inbox({ on: (_, handler) => handlers.push(handler) });
  handlers[0]("a", "text");
  await inbox.arrival("text");
  assert.deepEqual(inbox.labels("text"), ["a"]);
});

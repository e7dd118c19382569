// Streams from the server, to the server, both ways at once, several at once; cancelling; what ends them.
import assert from "node:assert/strict";
import { Subject } from "@microsoft/signalr";
import { collect, each, signal, unique } from "./support.mjs";

const upTo = (n) => Array.from({ length: n }, (_, i) => i);

each("a stream yields its items in order and completes", async (line) => {
  const c = await line.open();
  assert.deepEqual(await collect(c.stream("Count", 20, 1)), { items: upTo(20), error: undefined });
});

each("an empty stream only completes", async (line) => {
  const c = await line.open();
  assert.deepEqual(await collect(c.stream("Count", 0, 0)), { items: [], error: undefined });
});

each("a thousand items at full speed", async (line) => {
  const c = await line.open();
  const { items, error } = await collect(c.stream("Tokens", 1000, 64));
  assert.equal(error, undefined);
  assert.equal(items.length, 1000);
  assert.ok(items.every((item) => item === "x".repeat(64)));
});

each("paced items arrive while the stream goes on", async (line) => {
  const c = await line.open();
  const third = signal();
  let count = 0;
  const next = (item) => {
    assert.equal(item, "xxx");
    if (++count === 3) third.resolve();
  };
  const subscription = c.stream("PacedTokens", 1_000_000, 3, 20).subscribe({ next, error: third.reject, complete: third.reject });
  await third.promise;
  subscription.dispose();
  assert.deepEqual(await collect(c.stream("PacedTokens", 3, 2, 5)), { items: ["xx", "xx", "xx"], error: undefined });
});

// statement 128
each("a stream that fails gives its items first", async (line) => {
  const c = await line.open();
  const { items, error } = await collect(c.stream("CountThenThrow", 3));
  assert.deepEqual(items, ["item 0", "item 1", "item 2"]);
  assert.equal(error.message, "An error occurred on the server while streaming results. HubException: stream broke");
  assert.equal(await c.invoke("Add", 1, 2), 3);
});

each("errors of streams", async (line) => {
  const c = await line.open();
  const messageOf = async (...call) => (await collect(c.stream(...call))).error?.message;
  assert.equal(await messageOf("NoSuchMethod"), "Failed to invoke 'NoSuchMethod' due to an error on the server. HubException: Method does not exist.");
  assert.equal(await messageOf("Count", "x", 0), "Failed to invoke 'Count' due to an error on the server.");
  assert.equal(await messageOf("Add", 1, 2), "The client attempted to invoke the non-streaming 'Add' method with a streaming invocation.");
});

// statement 125, 207
each("a cancelled stream ends on the server too", async (line) => {
  const c = await line.open();
  const items = [];
  const five = signal();
  const subscription = c.stream("Count", 1_000_000, 5).subscribe({
    next(item) {
      items.push(item);
      if (items.length === 5) five.resolve();
    },
    error: five.reject,
    complete() {},
  });
  await five.promise;
  subscription.dispose();
  const count = items.length;
  assert.equal(await c.invoke("Add", 1, 2), 3);
  assert.equal(items.length, count, "nothing is delivered after it was disposed");
});

each("a stream cancelled before its first item", async (line) => {
  const c = await line.open();
  c.stream("Count", 10, 60_000).subscribe({ next: assert.fail, error: assert.fail, complete: assert.fail }).dispose();
  assert.equal(await c.invoke("Add", 1, 2), 3);
});

each("streams do not wait for each other, nor calls for them", async (line) => {
  const c = await line.open();
  const slow = collect(c.stream("Count", 30, 10));
  const results = await Promise.all([...upTo(10).map((n) => collect(c.stream("Count", n, 1))), c.invoke("Add", 1, 2)]);
  assert.deepEqual(results, [...upTo(10).map((n) => ({ items: upTo(n), error: undefined })), 3]);
  assert.deepEqual(await slow, { items: upTo(30), error: undefined });
});

// statement 130
each("an upload", async (line) => {
  const c = await line.open();
  const numbers = new Subject();
  const sum = c.invoke("Sum", numbers);
  for (const n of upTo(11)) numbers.next(n);
  numbers.complete();
  assert.equal(await sum, 55);
});

each("a long upload, much longer than the buffer", async (line) => {
  const c = await line.open();
  const numbers = new Subject();
  const sum = c.invoke("Sum", numbers);
  for (const n of upTo(120)) numbers.next(n);
  numbers.complete();
  assert.equal(await sum, 7_140);
});

each("an empty upload", async (line) => {
  const c = await line.open();
  const numbers = new Subject();
  const sum = c.invoke("Sum", numbers);
  numbers.complete();
  assert.equal(await sum, 0);
});

each("an upload that the client breaks off", async (line) => {
  const c = await line.open();
  const numbers = new Subject();
  const sum = c.invoke("Sum", numbers);
  numbers.next(5);
  numbers.error("no more");
  await assert.rejects(sum, { message: "An unexpected error occurred invoking 'Sum' on the server. HubException: no more" });
  assert.equal(await c.invoke("Add", 1, 2), 3);
});

each("an upload item of the wrong kind fails the call, not the connection", async (line) => {
  const c = await line.open();
  const numbers = new Subject();
  const sum = c.invoke("Sum", numbers);
  numbers.next(1);
  numbers.next("two");
  // Not completed: that would be sent at some later time, which may be after the end of this test.
  await assert.rejects(sum, /^Error: An unexpected error occurred invoking 'Sum' on the server\./);
  assert.equal(await c.invoke("Add", 1, 2), 3);
});

each("a missing upload stream", async (line) => {
  const c = await line.open();
  await assert.rejects(c.invoke("Sum"), { message: "An unexpected error occurred invoking 'Sum' on the server. HubException: Client sent 0 stream(s), Hub method expects 1." });
  assert.equal(await c.invoke("Add", 1, 2), 3);
});

each("streams both ways, item for item", async (line) => {
  const c = await line.open();
  const words = new Subject();
  const heard = [];
  const ended = new Promise((resolve, reject) =>
    c.stream("Shout", words).subscribe({
      next(word) {
        heard.push(word);
        if (heard.length === 1) words.next("two");
        if (heard.length === 2) words.complete();
      },
      error: reject,
      complete: resolve,
    }),
  );
  words.next("one");
  await ended;
  assert.deepEqual(heard, ["ONE", "TWO"]);
});

each("several uploads and streams at once on one connection", async (line) => {
  const c = await line.open();
  const uploads = upTo(5).map(() => new Subject());
  const sums = uploads.map((upload) => c.invoke("Sum", upload));
  const words = new Subject();
  const shouted = collect(c.stream("Shout", words));
  for (const n of upTo(20)) uploads.forEach((upload, i) => upload.next(n * i));
  for (const word of ["a", "b", "c"]) words.next(word);
  assert.equal(await c.invoke("Add", 1, 2), 3, "calls pass uploads that are open");
  uploads.forEach((upload) => upload.complete());
  words.complete();
  assert.deepEqual(await Promise.all(sums), upTo(5).map((i) => 190 * i));
  assert.deepEqual(await shouted, { items: ["A", "B", "C"], error: undefined });
});

each("a connection that stops in the middle of a stream and an upload", async (line) => {
  const [[other, inbox], [c]] = await line.openWithInboxes(2);
  const stream = collect(c.stream("Count", 1_000_000, 5));
  const upload = new Subject();
  const sum = assert.rejects(c.invoke("Sum", upload));
  upload.next(1);
  // A POST goes out when the one before it has been answered: that of `Sum`, that of the item at the latest with the
  // second `Add`, whose result may come before its answer, and that of the third. An item whose POST is not answered
  // when the client stops is an error that nobody can catch.
  for (let i = 0; i < 3; i++) await c.invoke("Add", 1, 2);
  await c.stop();
  await sum;
  assert.ok((await stream).error);
  const text = unique();
  await other.invoke("ToCaller", text);
  await inbox.arrival(text);
});

// Stateful reconnect: whatever happens to the sockets, the connection goes on. `tests/interop/test_reconnect.py` runs this
// behind a proxy that cuts them at any byte; without that it holds, too.
import assert from "node:assert/strict";
import { Subject } from "@microsoft/signalr";
import { each, MATRIX, unique } from "./support.mjs";

const WEBSOCKETS = MATRIX.filter(({ transport }) => transport === "WebSockets");
const ROUNDS = Number(process.env.HUBLINE_ROUNDS ?? 30);
const numbers = Array.from({ length: ROUNDS }, (_, index) => index);

/** A connection with what it has received, and with the reasons why it was closed. */
async function witness(line, group) {
  const c = line.build("/hub-stateful", { stateful: true });
  const seen = { messages: [], asked: [], closed: [] };
  c.on("ReceiveMessage", (sender, text) => sender === group && seen.messages.push(text));
  c.on("Double", (value) => {
    seen.asked.push(value);
    return value * 2;
  });
  c.onclose((error) => seen.closed.push(error ?? "closed"));
  await c.start();
  await c.invoke("Join", group);
  return [c, seen, await c.invoke("ConnectionId")];
}

const items = (stream) =>
  new Promise((resolve, reject) => {
    const found = [];
    stream.subscribe({ next: (item) => found.push(item), error: reject, complete: () => resolve(found) });
  });

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function calls(c) {
  for (const n of numbers) {
    assert.equal(await c.invoke("Add", n, 1), n + 1);
    await pause(10);
  }
}

async function callsAtOnce(c) {
  assert.deepEqual(await Promise.all(numbers.map((n) => c.invoke("EchoText", `text ${n}`))), numbers.map((n) => `text ${n}`));
}

async function messages(c, group) {
  for (const n of numbers) {
    await c.invoke("ToGroup", group, `message ${n}`);
    await pause(10);
  }
}

async function questions(c, id) {
  for (const n of numbers) {
    assert.equal(await c.invoke("AskClient", id, n), n * 2);
    await pause(10);
  }
}

async function download(c) {
  assert.deepEqual(await items(c.stream("Count", ROUNDS, 10)), numbers);
}

async function upload(c) {
  const subject = new Subject();
  const sum = c.invoke("Sum", subject);
  for (const n of numbers) {
    subject.next(n);
    await pause(10);
  }
  subject.complete();
  assert.equal(await sum, numbers.reduce((a, b) => a + b, 0));
}

async function bothWays(c) {
  const subject = new Subject();
  const shouted = items(c.stream("Shout", subject));
  for (const n of numbers) {
    subject.next(`word ${n}`);
    await pause(10);
  }
  subject.complete();
  assert.deepEqual(await shouted, numbers.map((n) => `WORD ${n}`));
}

// statement 172, 175, 176
each("under calls, streams both ways, client results and groups nothing is lost and nothing doubled", async (line) => {
  const group = unique("group");
  const [ada, adaSaw, adaId] = await witness(line, group);
  const [ben, benSaw, benId] = await witness(line, group);
  const work = Promise.all([
    calls(ada), callsAtOnce(ben), messages(ada, group), questions(ben, adaId), download(ada), download(ben), upload(ben), bothWays(ada),
  ]);
  const closed = new Promise((_, reject) => {
    for (const c of [ada, ben]) c.onclose((error) => reject(new Error(`closed while at work: ${error}`)));
  });
  await Promise.race([work, closed]);
  assert.equal(await ada.invoke("ConnectionId"), adaId);
  assert.equal(await ben.invoke("ConnectionId"), benId);
  await ada.invoke("ToGroup", group, "last");
  while (!benSaw.messages.includes("last")) await pause(10);
  const sent = [...numbers.map((n) => `message ${n}`), "last"];
  assert.deepEqual(adaSaw.messages, sent);
  assert.deepEqual(benSaw.messages, sent);
  assert.deepEqual(adaSaw.asked, numbers);
  assert.deepEqual([adaSaw.closed, benSaw.closed, benSaw.asked], [[], [], []]);
}, WEBSOCKETS);

// Answers that outlive connections, with the official client: cut, reloaded, watched by two, read slowly.
import assert from "node:assert/strict";
import { test } from "node:test";
import { BASE, Line, Spy, collect, each, proxy, signal, token, unique } from "./support.mjs";

const HUB = "/hub-runs";
const INSTANTLY = Array(50).fill(0);
const numbers = (n) => Array.from({ length: n }, (_, i) => `${i} `).join("");

/** What the rules say a client has to do, and nothing else. */
class Page {
  constructor() {
    this.parts = new Map();
    this.position = null;
    this.items = [];
    this.end = undefined;
  }

  apply(item) {
    this.items.push(item);
    if (item.kind === "snapshot") this.pending = new Map(item.parts.map((part) => [part.part, { ...part }]));
    const parts = this.pending ?? this.parts;
    if (item.kind === "text" || item.kind === "reasoning") {
      const part = parts.get(item.part) ?? { part: item.part, kind: item.kind, text: "" };
      part.text += item.text;
      parts.set(item.part, part);
    } else if (item.kind === "data") {
      parts.set(item.part, { part: item.part, kind: "data", name: item.name, value: item.value });
    } else if (item.kind === "retract") {
      item.parts.forEach((part) => parts.delete(part));
    } else if (item.kind === "end") {
      this.end = item;
    }
    if (item.position !== null) {
      this.position = item.position;
      if (this.pending) [this.parts, this.pending] = [this.pending, undefined];
    }
  }

  get text() {
    return [...this.parts.values()].filter((part) => part.kind === "text").map((part) => part.text).join("");
  }
}

const forget = (id) => id && fetch(`${BASE}${HUB}?id=${id}`, { method: "DELETE" });

/** Attach and apply items until the stream ends: resolves `undefined`, or the error. */
function follow(connection, runId, page, onItem = () => {}) {
  page.pending = undefined;
  return new Promise((resolve) => {
    const subscription = connection.stream("AttachRun", runId, page.position).subscribe({
      next: (item) => (page.apply(item), onItem(item, subscription)),
      error: resolve,
      complete: () => resolve(undefined),
    });
  });
}

// rule R1, R5, R7
each("who is cut again and again has everything once", async (line, t) => {
  const through = await proxy(t);
  const starter = await line.open(HUB);
  const runId = await starter.invoke("StartParts", 40, 10);
  const httpClient = new Spy();
  // A long-polling connection that was cut between two polls would be waited for at the server's end.
  t.after(() => Promise.all([...new Set(httpClient.requests.map(({ query }) => query.get("id")))].map(forget)));
  const connection = line.build(HUB, { base: through.base, reconnect: INSTANTLY, httpClient });
  let back = signal();
  connection.onreconnected(() => back.resolve());
  await connection.start();
  const page = new Page();
  let cuts = 0;
  while (page.end === undefined) {
    let seen = 0;
    await follow(connection, runId, page, () => {
      if (++seen === 10 && cuts < 3) (cuts += 1), setTimeout(through.cut, cuts); // a poll is under way, or not
    });
    if (page.end !== undefined) break;
    await back.promise;
    back = signal();
  }
  const whole = new Page();
  await follow(starter, runId, whole);
  assert.ok(cuts > 0, "how many there are before the run ends depends on the machine");
  assert.deepEqual([...page.parts.values()], [...whole.parts.values()]);
  assert.equal(page.parts.size, 40 * 3 + 1);
  assert.equal(page.text, Array.from({ length: 40 }, (_, i) => `t${i} `).join(""));
});

// rule R1, R2, R3
each("a reloaded page has nothing and gets everything", async (line) => {
  const first = await line.open(HUB);
  const runId = await first.invoke("StartCount", 30, 5, null, null);
  await new Promise((resolve) => {
    first.stream("AttachRun", runId, null).subscribe({ next: (item) => item.text === "10 " && resolve(), error() {}, complete() {} });
  });
  await first.stop();
  const page = new Page();
  const again = await line.open(HUB);
  assert.equal(await follow(again, runId, page), undefined);
  assert.equal(page.text, numbers(30));
  assert.equal(page.end.state, "completed");
  assert.equal(page.items.filter((item) => item.kind === "live").length, 1);
  const { items } = await collect(again.stream("AttachRun", runId, page.position));
  assert.deepEqual(items.map((item) => item.kind), ["live", "end"]);
});

// rule R7, R18
each("two viewers see the same, one of them merged", async (line) => {
  const [one, other] = await Promise.all([line.open(HUB), line.open(`${HUB}?merge=100`)]);
  const runId = await one.invoke("StartCount", 100, 2, null, null);
  const [page, merged] = [new Page(), new Page()];
  await Promise.all([follow(one, runId, page), follow(other, runId, merged)]);
  assert.equal(page.text, numbers(100));
  assert.equal(merged.text, numbers(100));
  assert.ok(merged.items.length < page.items.length / 3, `${merged.items.length} of ${page.items.length} items`);
  assert.equal(merged.position, page.position);
});

// rule R13
each("stopping keeps what was written and ends all viewers", async (line) => {
  const connection = await line.open(HUB);
  const runId = await connection.invoke("StartCount", 1000, 5, null, null);
  const page = new Page();
  let stops;
  await follow(connection, runId, page, (item) => {
    if (item.text === "5 ") stops = Promise.all([connection.invoke("StopRun", runId), connection.invoke("StopRun", runId)]);
  });
  const infos = await stops;
  assert.equal(page.end.state, "stopped");
  assert.ok(page.text.startsWith("0 1 2 3 4 5 "));
  assert.deepEqual(infos[0], infos[1]);
  assert.equal(infos[0].state, "stopped");
});

// rule R25
each("a person answers", async (line) => {
  const user = await token("?sub=alice");
  const connection = await line.open(HUB, { user });
  const runId = await connection.invoke("StartAsking", 10_000);
  const page = new Page();
  await follow(connection, runId, page, (item) => {
    if (item.kind === "ask") connection.invoke("AnswerRun", runId, item.askId, true);
  });
  assert.equal(page.text, "yes by alice");
  const parked = await connection.invoke("StartParked", 10_000);
  const other = new Page();
  await follow(connection, parked, other, (item) => {
    if (item.kind === "ask") connection.invoke("AnswerRun", parked, item.askId, false);
  });
  assert.equal(other.text, "before no by alice");
  assert.deepEqual(other.end.usage, [{ attempt: 2 }]);
});

// rule R9, R15
each("a key runs once and its end is told once", async (line) => {
  const connection = await line.open(HUB);
  const key = unique("key");
  const ids = await Promise.all([1, 2, 3].map(() => connection.invoke("StartCount", 3, 1, key, null)));
  assert.equal(new Set(ids).size, 1);
  await assert.rejects(connection.invoke("StartCount", 4, 1, key, null), /The key was used for another request\./);
  await follow(connection, ids[0], new Page());
  assert.equal(await connection.invoke("Executions", key), 1);
  assert.deepEqual(await connection.invoke("Ends", ids[0]), { count: 1, text: numbers(3) });
});

// rule R17, R18, R21
test("who does not read holds nobody up, and has everything in the end", { timeout: 240_000 }, async (t) => {
  const line = new Line(t, { transport: "WebSockets", codec: "json" });
  const [slow, quick] = await Promise.all([line.open(HUB), line.open(`${HUB}?merge=30`)]);
  for (const each of [slow, quick]) each.serverTimeoutInMilliseconds = 240_000; // a busy server needs more than 30 s
  const runId = await quick.invoke("StartCount", 140_000, 0, null, null);
  const [page, behind] = [new Page(), new Page()];
  const socket = slow.connection.transport._webSocket._socket;
  const reading = follow(slow, runId, behind, () => behind.items.length === 3 && socket.pause());
  await follow(quick, runId, page);
  assert.equal(page.text, numbers(140_000));
  assert.equal(behind.end, undefined);
  socket.resume();
  await reading;
  while (behind.end === undefined) { // a busy server has closed the connection, on which nothing moved for so long
    await follow(await line.open(HUB), runId, behind);
  }
  assert.equal(behind.text, numbers(140_000));
});

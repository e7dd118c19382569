import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { attachRun, type Item, type RunState } from "../../src/index.js";
import { FakeConnection, hubError, settled } from "./fake-connection.js";
import { memoryStorage } from "./memory-storage.js";

const text = (part: string, text: string, position: string | null): Item => ({ kind: "text", part, text, position });
const end = (position: string, state: "completed" | "stopped" | "failed" = "completed"): Item => ({
  kind: "end",
  state,
  error: null,
  usage: [{ model: "m" }],
  unread: ["s1"],
  position,
});
const snapshot = (position: string | null, parts: RunState["parts"]): Item => ({ kind: "snapshot", parts, state: "running", asks: [], position });

let connection: FakeConnection;

beforeEach(async () => {
  connection = new FakeConnection();
  await connection.start();
});

afterEach(() => {
  vi.useRealTimers();
});

test("applies items, tells once for what arrives together, and never changes what it gave", async () => {
  const run = attachRun(connection, "r");
  const seen: RunState[] = [];
  run.onChange((state) => seen.push(state));
  expect(connection.last.args).toEqual(["r", null]);
  connection.last.next(text("a", "He", "1"), text("a", "llo", "2"));
  await settled();
  expect(seen.map((state) => state.text)).toEqual(["Hello"]);
  connection.last.next({ kind: "data", part: "d", name: "source", value: 1, position: "3" }, text("b", "!", "4"));
  connection.last.next({ kind: "data", part: "d", name: "source", value: 2, position: "5" }, { kind: "live", position: "5" });
  await settled();
  expect(run.state.parts).toEqual([
    { part: "a", kind: "text", text: "Hello" },
    { part: "d", kind: "data", name: "source", value: 2 },
    { part: "b", kind: "text", text: "!" },
  ]);
  expect(run.state.parts[0]).toBe(seen[0]?.parts[0]);
  expect(seen[0]?.parts).toHaveLength(1);
  expect(run.state).toBe(seen[1]);
  expect(run.state).toMatchObject({ text: "Hello!", state: "running", live: true, ended: false });
  connection.last.next({ kind: "retract", parts: ["a", "d"], position: "6" }, end("7"));
  connection.last.complete();
  expect(await run.done).toMatchObject({ text: "!", state: "completed", ended: true, usage: [{ model: "m" }], unread: ["s1"], status: null });
  expect(run.position).toBe("7");
  expect(connection.last.disposed).toBe(false);
});

test("goes on from its position when the connection comes back", async () => {
  const run = attachRun(connection, "r");
  connection.last.next(text("a", "one ", "1"), { kind: "live", position: "1" });
  const former = connection.last;
  connection.drop();
  await settled();
  expect(run.state).toMatchObject({ text: "one ", live: false, error: null });
  expect(connection.streams).toHaveLength(1);
  connection.restore();
  await settled();
  expect(connection.last.args).toEqual(["r", "1"]);
  former.next(text("a", "stale", "x"));
  connection.last.next(text("a", "two", "2"), end("3"));
  expect((await run.done).text).toBe("one two");
});

test("goes on when the application starts a closed connection again", async () => {
  vi.useFakeTimers();
  const run = attachRun(connection, "r");
  connection.last.next(text("a", "one ", "1"));
  connection.close();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(connection.streams).toHaveLength(1);
  void connection.start();
  await vi.advanceTimersByTimeAsync(200);
  expect(connection.streams).toHaveLength(2);
  expect(connection.last.args).toEqual(["r", "1"]);
  run.detach();
  expect(connection.last.disposed).toBe(true);
  expect(vi.getTimerCount()).toBe(0);
});

test("a snapshot in pieces replaces what there was with its last piece, and half of one is forgotten", async () => {
  const run = attachRun(connection, "r");
  connection.last.next(text("a", "old", "1"));
  connection.last.next(snapshot(null, [{ part: "a", kind: "text", text: "" }, { part: "b", kind: "reasoning", text: "r" }]), text("a", "ne", null));
  expect(run.state.text).toBe("old");
  connection.drop();
  await settled();
  connection.restore();
  await settled();
  expect(connection.last.args).toEqual(["r", "1"]);
  expect(run.state.text).toBe("old");
  connection.last.next(snapshot(null, [{ part: "a", kind: "text", text: "n" }, { part: "b", kind: "reasoning", text: "r" }]), text("a", "ew", null));
  expect(run.state.text).toBe("old");
  connection.last.next({ kind: "reasoning", part: "b", text: "s", position: "9" });
  expect(run.state.parts).toEqual([
    { part: "a", kind: "text", text: "new" },
    { part: "b", kind: "reasoning", text: "rs" },
  ]);
  expect(run.position).toBe("9");
});

test("questions, statuses and messages", async () => {
  const run = attachRun(connection, "r");
  connection.last.next({ kind: "status", status: "queued", place: 2, position: "1" });
  expect(run.state).toMatchObject({ state: "queued", status: { status: "queued", place: 2 } });
  connection.last.next(text("a", "x", "2"));
  expect(run.state).toMatchObject({ state: "running", status: null });
  connection.last.next({ kind: "status", status: "thinking", model: "m", position: "3" });
  expect(run.state.status).toEqual({ status: "thinking", model: "m" });
  const ask = { askId: "q", prompt: "Go on?", schema: { type: "boolean" }, expiresAt: null };
  connection.last.next({ kind: "ask", ...ask, position: "4" });
  expect(run.state).toMatchObject({ state: "waiting", asks: [ask] });
  connection.last.next({ kind: "answered", askId: "q", by: "alice", value: true, position: "5" });
  expect(run.state).toMatchObject({ state: "running", asks: [] });
  connection.last.next({ kind: "steered", steerId: "s", by: null, value: "shorter", position: "6" });
  expect(run.state.steered).toEqual([{ steerId: "s", by: null, value: "shorter" }]);
  connection.last.next({ kind: "snapshot", parts: [], state: "waiting", asks: [ask], position: "7" });
  expect(run.state).toMatchObject({ text: "", state: "waiting", asks: [ask] });
});

test("a run that does not exist is an end, and not asked for again", async () => {
  vi.useFakeTimers();
  const run = attachRun(connection, "r");
  connection.last.error(hubError("The run does not exist."));
  await vi.advanceTimersByTimeAsync(100_000);
  expect(connection.streams).toHaveLength(1);
  expect(await run.done).toMatchObject({ state: "gone", ended: true, error: "The run does not exist." });
});

test("other errors are tried again, with growing pauses, and told", async () => {
  vi.useFakeTimers();
  const run = attachRun(connection, "r");
  const times: number[] = [];
  for (let failure = 0; failure < 9; failure++) {
    const { length } = connection.streams;
    connection.last.error(hubError("The log is away."));
    const began = Date.now();
    while (connection.streams.length === length) await vi.advanceTimersByTimeAsync(10);
    times.push(Date.now() - began);
    expect(run.state).toMatchObject({ error: "The log is away.", live: false, ended: false });
  }
  expect(times[0]).toBeLessThan(400);
  expect(times[8]).toBeGreaterThan(14_000);
  expect(times[8]).toBeLessThan(46_000);
  connection.last.next(text("a", "x", "1"));
  expect(run.state.error).toBeNull();
});

test.each([null, { kind: "snapshot", position: "2" }, { kind: "retract", position: "2" }])(
  "an item that is none (%j) is asked for again, with growing pauses, and closes no connection",
  async (item) => {
    vi.useFakeTimers();
    const run = attachRun(connection, "r");
    connection.last.next(text("a", "one ", "1"), item);
    const [broken] = connection.streams;
    await vi.advanceTimersByTimeAsync(400);
    expect(broken?.disposed).toBe(true);
    expect(connection.last.args).toEqual(["r", "1"]);
    expect(run.state).toMatchObject({ text: "one ", live: false, ended: false });
    expect(run.state.error).not.toBeNull();
    for (let failure = 0; failure < 9; failure++) {
      connection.last.next(item);
      await vi.advanceTimersByTimeAsync(60_000);
    }
    expect(connection.streams).toHaveLength(11);
    connection.last.next(text("a", "two", "2"), end("3"));
    expect(await run.done).toMatchObject({ text: "one two", state: "completed", error: null });
  },
);

test("goes on from the storage after a reload, parts and position together", async () => {
  const storage = memoryStorage();
  const first = attachRun(connection, "r", { storage });
  connection.last.next(text("a", "one ", "1"));
  first.detach();
  const reloaded = new FakeConnection();
  await reloaded.start();
  const run = attachRun(reloaded, "r", { storage });
  const shown = new Promise<RunState>((resolve) => run.onChange(resolve));
  expect((await shown).text).toBe("one ");
  expect(reloaded.last.args).toEqual(["r", "1"]);
  reloaded.last.next(text("a", "two", "2"), end("3"));
  expect((await run.done).text).toBe("one two");
  const late = attachRun(reloaded, "r", { storage });
  expect(await late.done).toMatchObject({ text: "one two", state: "completed" });
  expect(reloaded.streams).toHaveLength(1);
});

test("what was gone is asked for again after a reload", async () => {
  const storage = memoryStorage();
  const run = attachRun(connection, "r", { storage });
  connection.last.next(text("a", "one ", "1"));
  connection.last.error(hubError("The run does not exist."));
  expect(await run.done).toMatchObject({ state: "gone", text: "one " });
  const again = attachRun(connection, "r", { storage });
  expect(again.state).toMatchObject({ state: null, text: "one ", ended: false });
  expect(connection.last.args).toEqual(["r", "1"]);
});

const empty = { parts: [], text: "", asks: [], steered: [], unread: [], usage: [] };
const strange: unknown[] = [
  { position: 7, state: empty },
  { position: "1", state: null },
  { position: "1", state: { parts: [], asks: [] } },
  { position: "1", state: { ...empty, parts: [null] } },
  { position: "1", state: { ...empty, parts: [{ part: "a", kind: "text", text: 1 }] } },
  { position: "1", state: { ...empty, asks: [null] } },
];

test.each(["nothing", "{", '{"position":"1"}', "null", ...strange.map((each) => JSON.stringify(each))])("what was kept and is lost (%s) begins anew", (kept) => {
  const storage = memoryStorage();
  if (kept !== "nothing") storage.setItem("hubline:run:r", kept);
  const run = attachRun(connection, "r", { storage });
  expect(run.state).toMatchObject({ parts: [], text: "", usage: [] });
  expect(connection.last.args).toEqual(["r", null]);
});

test("values that have no form in JSON are not kept, and nothing else is lost", async () => {
  const storage = memoryStorage();
  const run = attachRun(connection, "r", { storage });
  connection.last.next({ kind: "data", part: "d", name: "n", value: 1n, position: "1" }, end("2"));
  expect(await run.done).toMatchObject({ state: "completed", ended: true });
  expect(storage.getItem("hubline:run:r")).toBeNull();
});

test("a full storage makes room, and one that is too small is done without", async () => {
  const storage = memoryStorage();
  storage.setItem("hubline:run:old", "x".repeat(500));
  storage.setItem("theirs", "y");
  storage.limit(600);
  const run = attachRun(connection, "r", { storage });
  connection.last.next(text("a", "one ", "1"));
  run.detach();
  expect(storage.getItem("hubline:run:old")).toBeNull();
  expect(storage.getItem("hubline:run:r")).toContain("one ");
  expect(storage.getItem("theirs")).toBe("y");
  storage.limit(1);
  const other = attachRun(connection, "other", { storage });
  connection.last.next(text("a", "x", "1"), end("2"));
  expect((await other.done).text).toBe("x");
});

test("an application may keep the position itself", () => {
  attachRun(connection, "r", { after: "41" });
  expect(connection.last.args).toEqual(["r", "41"]);
});

test("goes on over another connection with what a former one had", async () => {
  const former = attachRun(connection, "r");
  connection.last.next(text("a", "one ", "1"));
  former.detach();
  const other = new FakeConnection();
  await other.start();
  const run = attachRun(other, "r", { after: former });
  expect(run.state.text).toBe("one ");
  expect(other.last.args).toEqual(["r", "1"]);
  other.last.next(text("a", "two", "2"), end("3"));
  expect((await run.done).text).toBe("one two");
});

test("calls wait for the connection; stopping is repeated, answering is not", async () => {
  const run = attachRun(connection, "r");
  connection.drop();
  const stopped = run.stop();
  await settled();
  expect(connection.invocations).toHaveLength(0);
  connection.restore();
  await settled();
  expect(connection.invocations).toMatchObject([{ method: "StopRun", args: ["r"] }]);
  connection.drop();
  await settled();
  connection.restore();
  await settled();
  connection.invocations[0]?.resolve({ state: "stopped" });
  expect(await stopped).toEqual({ state: "stopped" });
  connection.invocations.length = 0;
  const answered = run.answer("q", true);
  const refused = expect(answered).rejects.toThrow(/^Already answered by alice\.$/);
  await settled();
  expect(connection.invocations).toMatchObject([{ method: "AnswerRun", args: ["r", "q", true] }]);
  connection.invocations[0]?.reject(new Error("An unexpected error occurred invoking 'AnswerRun' on the server. HubException: Already answered by alice."));
  await refused;
  connection.invocations.length = 0;
  const steered = expect(run.steer("shorter")).rejects.toThrow();
  await settled();
  connection.drop();
  await steered;
});

test("iterates its states until the end, or until it is detached", async () => {
  const run = attachRun(connection, "r");
  const texts: string[] = [];
  const loop = (async () => {
    for await (const state of run) texts.push(`${state.text}${state.ended ? "." : ""}`);
  })();
  await settled();
  connection.last.next(text("a", "one ", "1"));
  await settled();
  connection.last.next(text("a", "two", "2"), end("3"));
  await loop;
  expect(texts).toEqual(["", "one ", "one two."]);
  const other = attachRun(connection, "other");
  const states: boolean[] = [];
  const left = (async () => {
    for await (const state of other) states.push(state.ended);
  })();
  await settled();
  other.detach();
  await left;
  expect(states).toEqual([false]);
  expect(await other.done).toMatchObject({ ended: false, live: false });
});

test("a listener that fails keeps nobody else from hearing", async () => {
  const reported = new Promise((resolve) => process.once("unhandledRejection", resolve));
  const run = attachRun(connection, "r");
  run.onChange(() => {
    throw new Error("mine");
  });
  const heard = new Promise<RunState>((resolve) => run.onChange(resolve));
  connection.last.next(text("a", "x", "1"));
  expect((await heard).text).toBe("x");
  expect(await reported).toMatchObject({ message: "mine" });
});

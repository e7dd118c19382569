import { describe, expect, test } from "vitest";
import { attachRun, iterate, keepConnected, watchRuns, type RunState, type RunStorage } from "../../src/index.js";
import { seeded } from "../seeded.js";
import { build, LINES, nameOf, open, proxy, token, type Line } from "./support.js";

const [LINE] = LINES;
const numbers = (n: number) => Array.from({ length: n }, (_, index) => `${index} `).join("");

function memory(): RunStorage {
  const kept = new Map<string, string>();
  return {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => void kept.set(key, value),
    removeItem: (key) => void kept.delete(key),
  };
}

/** Resolves with the first state that fulfils this. */
async function until(run: AsyncIterable<RunState>, fulfilled: (state: RunState) => boolean): Promise<RunState> {
  for await (const state of run) if (fulfilled(state)) return state;
  throw new Error("it ended before");
}

describe.each(LINES.map((line) => [nameOf(line), line] as const))("%s", (_, line: Line) => {
  test("a stream of any hub method is iterated, and cancelled by leaving the loop", async () => {
    const connection = await open(line, { path: "/hub" });
    const got: number[] = [];
    for await (const number of iterate(connection.stream<number>("Count", 5, 1))) got.push(number);
    expect(got).toEqual([0, 1, 2, 3, 4]);
    await expect(iterate(connection.stream("Original")).next()).rejects.toThrow("Method does not exist.");
  });

  test("follows a run to its end", async () => {
    const connection = await open(line);
    const runId = await connection.invoke<string>("StartParts", 20, 1);
    const run = attachRun(connection, runId);
    const state = await run.done;
    expect(state).toMatchObject({ state: "completed", ended: true, error: null });
    expect(state.text).toBe(Array.from({ length: 20 }, (_, index) => `t${index} `).join(""));
    expect(state.parts).toHaveLength(61);
    expect(state.parts.at(-1)).toMatchObject({ kind: "data", name: "progress", value: 2 });
  });
});

const SEEDS = process.env.HUBLINE_SEED ? [Number(process.env.HUBLINE_SEED)] : [1, 2, 3];
// The server keeps a connection on long polling that was cut for 15 s, and would be waited for.
const CUTTABLE = LINES.filter((line) => nameOf(line) !== "LongPolling/messagepack");

describe.each(CUTTABLE.map((line) => [nameOf(line), line] as const))("%s", (_, line: Line) => {
  /** Follows runs over a line that is cut at random bytes, and beside it over one that is not. */
  async function followed(starts: readonly (readonly [method: string, ...args: unknown[]])[], bytes: (cuts: number) => number) {
    const through = await proxy(bytes);
    const connection = build(line, { base: through.base, reconnect: Array<number>(1_000).fill(0) });
    const kept = keepConnected(connection);
    const starter = await open(line);
    const ids = await Promise.all(starts.map(([method, ...args]) => starter.invoke<string>(method, ...args)));
    const states = await Promise.all(ids.map((id) => attachRun(connection, id).done));
    const whole = await Promise.all(ids.map((id) => attachRun(starter, id).done));
    expect(states.map((state) => state.parts)).toEqual(whole.map((state) => state.parts));
    await kept.stop();
    return { texts: states.map((state) => state.text), cuts: through.cuts };
  }

  test.each(SEEDS)("thousands of tokens are exact over a line that is cut again and again (seed %d)", async (seed) => {
    const random = seeded(seed);
    const starts = [
      ["StartCount", 2_000, 1, null, null],
      ["StartParts", 500, 2],
      ["StartRetracting", 200],
    ] as const;
    // In the end a line holds: on those that are shorter than the largest item, a snapshot, it would never arrive.
    const { texts, cuts } = await followed(starts, (cuts) => (cuts < 15 ? 2_000 + random() * 20_000 : Infinity));
    expect(cuts).toBeGreaterThan(5);
    expect(texts).toEqual([numbers(2_000), Array.from({ length: 500 }, (_, index) => `t${index} `).join(""), "clean"]);
  });

  test.each(SEEDS)("so is a snapshot in several pieces (seed %d)", async (seed) => {
    const random = seeded(seed);
    const start = ["StartCount", 30_000, 0, null, null] as const;
    const { texts, cuts } = await followed([start], (cuts) => (cuts < 6 ? 2_000 + random() * 200_000 : Infinity));
    expect(cuts).toBeGreaterThan(0);
    expect(texts).toEqual([numbers(30_000)]);
  });
});

test("a reload goes on from the position that was kept, and begins anew without", async () => {
  const first = await open(LINE);
  const runId = await first.invoke<string>("StartCount", 60, 5, null, null);
  const storage = memory();
  const before = attachRun(first, runId, { storage });
  await until(before, (state) => state.text.includes("20 "));
  before.detach();
  await first.stop();

  const again = await open(LINE);
  const asked: unknown[] = [];
  const stream = again.stream.bind(again);
  again.stream = <T>(method: string, ...args: unknown[]) => {
    asked.push(args[1]);
    return stream<T>(method, ...args);
  };
  const after = attachRun(again, runId, { storage });
  expect(after.state.text).toContain("20 ");
  const lost = attachRun(again, runId, { storage: memory() });
  expect((await after.done).text).toBe(numbers(60));
  expect((await lost.done).text).toBe(numbers(60));
  expect(asked).toEqual([before.position, null]);
  expect(asked[0]).not.toBeNull();
});

test("goes on when the application itself starts a closed connection again", async () => {
  const through = await proxy();
  const connection = build(LINE, { base: through.base });
  let over = false;
  connection.onclose(() => void (over || connection.start()));
  await connection.start();
  const runId = await connection.invoke<string>("StartCount", 100, 5, null, null);
  const run = attachRun(connection, runId);
  for (const number of ["20 ", "50 ", "80 "]) {
    await until(run, (state) => state.text.includes(number));
    through.cut();
  }
  expect((await run.done).text).toBe(numbers(100));
  over = true;
});

test("a run that nobody knows is gone, and calls tell the server's words", async () => {
  const connection = await open(LINE);
  const run = attachRun(connection, "nobody");
  expect(await run.done).toMatchObject({ state: "gone", error: "The run does not exist." });
  await expect(run.stop()).rejects.toThrow(/^The run does not exist\.$/);
});

test("stops, answers and steers", async () => {
  const connection = await open(LINE, { user: await token("alice") });
  const counting = attachRun(connection, await connection.invoke<string>("StartCount", 10_000, 5, null, null));
  await until(counting, (state) => state.text.includes("3 "));
  expect(await counting.stop()).toMatchObject({ state: "stopped" });
  expect(await counting.done).toMatchObject({ state: "stopped" });

  const asking = attachRun(connection, await connection.invoke<string>("StartAsking", 10_000));
  const [ask] = (await until(asking, (state) => state.asks.length > 0)).asks;
  expect(ask).toMatchObject({ prompt: "Continue?", schema: { type: "boolean" } });
  await asking.answer(ask?.askId ?? "", true);
  expect(await asking.done).toMatchObject({ text: "yes by alice", asks: [] });
  await expect(asking.answer(ask?.askId ?? "", false)).rejects.toThrow();

  const steered = attachRun(connection, await connection.invoke<string>("StartSteered", 1));
  const steerId = await steered.steer("shorter");
  expect(await steered.done).toMatchObject({ text: "shorter ", steered: [{ steerId, by: "alice", value: "shorter" }] });
});

test("watches a room, over a cut too", async () => {
  const through = await proxy();
  const connection = build(LINE, { base: through.base });
  const kept = keepConnected(connection);
  const room = `concurrent:${Math.random()}`;
  const watched = watchRuns(connection, room);
  const changed = (fulfilled: () => boolean) =>
    new Promise<void>((resolve) => {
      const end = watched.onChange(() => {
        if (!fulfilled()) return;
        end();
        resolve();
      });
    });
  const listed = changed(() => watched.state.live);
  await listed;
  expect(watched.state.runs).toEqual([]);
  const starter = await open(LINE);
  const appeared = changed(() => watched.state.runs[0]?.state === "running");
  const runId = await starter.invoke<string>("StartCount", 10_000, 5, null, room);
  await appeared;
  const back = changed(() => watched.state.live && !cut);
  let cut = true;
  through.cut();
  await changed(() => !watched.state.live);
  cut = false;
  await back;
  const ended = changed(() => watched.state.runs[0]?.state === "stopped");
  await starter.invoke("StopRun", runId);
  await ended;
  await kept.stop();
});

test("a hub that does not admit us is a state", async () => {
  const connection = build(LINE, { path: "/hub-auth" });
  const kept = keepConnected(connection);
  await new Promise<void>((resolve) => {
    kept.state.subscribe(({ status }) => status === "refused" && resolve());
  });
  expect(kept.state.value.error?.message).toContain("401");
  await kept.stop();
});

test("waits for a server that is not there yet", async () => {
  const through = await proxy();
  through.closed = true;
  const connection = build(LINE, { base: through.base });
  const kept = keepConnected(connection);
  await new Promise<void>((resolve) => {
    kept.state.subscribe(({ error }) => error && resolve());
  });
  const starter = await open(LINE);
  const run = attachRun(connection, await starter.invoke<string>("StartCount", 5, 1, null, null));
  through.closed = false;
  expect((await run.done).text).toBe(numbers(5));
  await kept.stop();
});

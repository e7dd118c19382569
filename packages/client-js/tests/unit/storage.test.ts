import { beforeEach, expect, test } from "vitest";
import { attachRun, type Item, type RunState } from "../../src/index.js";
import { FakeConnection, hubError } from "./fake-connection.js";

const text = (part: string, text: string, position: string | null): Item => ({ kind: "text", part, text, position });
const end = (position: string): Item => ({ kind: "end", state: "completed", error: null, usage: [], unread: [], position });

/** As `localStorage`: what it holds are its own properties. */
function memoryStorage() {
  let room = Infinity;
  const held: Record<string, string> = {};
  const methods = {
    getItem: (key: string) => held[key] ?? null,
    setItem(key: string, value: string) {
      const used = Object.entries(held).reduce((sum, [name, kept]) => sum + (name === key ? 0 : kept.length), 0);
      if (used + value.length > room) throw new Error("QuotaExceededError");
      held[key] = value;
    },
    removeItem(key: string) {
      delete held[key];
    },
    limit(to: number) {
      room = to;
    },
  };
  return new Proxy(methods, {
    ownKeys: () => Object.keys(held),
    getOwnPropertyDescriptor: (_, key) => ({ value: held[String(key)], enumerable: true, configurable: true }),
  });
}

let connection: FakeConnection;

beforeEach(async () => {
  connection = new FakeConnection();
  await connection.start();
});

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

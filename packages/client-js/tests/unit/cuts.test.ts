// A run as the rules have it, and a page that is cut, loaded again and shown old positions at random: whatever happens, what the
// page shows is exactly what the run was at the page's position.
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { attachRun, type AttachedRun, type Item, type Part, type TextPart } from "../../src/index.js";
import { seeded } from "../seeded.js";
import { FakeConnection } from "./fake-connection.js";

const SEEDS = process.env.HUBLINE_SEED ? [Number(process.env.HUBLINE_SEED)] : Array.from({ length: 150 }, (_, index) => index + 1);

const isText = (item: Item): item is Item & TextPart => item.kind === "text" || item.kind === "reasoning";

type Random = (below: number) => number;

/** What the server keeps of a run: its entries, and its parts after each. */
class Log {
  readonly entries: Item[] = [];
  readonly #after: Part[][] = [[]];
  #names = 0;
  #base = 0;

  constructor(
    readonly epoch: string,
    private readonly random: Random,
  ) {}

  position(seq: number) {
    return `${this.epoch}-${seq}`;
  }

  partsAt(position: string | null): Part[] {
    return this.#after[Number((position ?? "-0").split("-")[1])] ?? [];
  }

  grow() {
    const { random } = this;
    const parts = this.#after.at(-1) ?? [];
    const position = this.position(this.entries.length + 1);
    const some = parts[random(parts.length)];
    const last = parts.at(-1);
    const kind = random(12);
    if (kind < 7) {
      const grows = last && last.kind !== "data" && random(4) > 0 ? last : undefined;
      const { part, kind: of } = grows ?? { part: `p${this.#names++}`, kind: random(2) ? ("text" as const) : ("reasoning" as const) };
      const text = `${this.entries.length} `;
      const rest = parts.filter((each) => each.part !== part);
      this.#add({ kind: of, part, text, position }, [...rest, { part, kind: of, text: (grows?.text ?? "") + text }]);
    } else if (kind < 9 || !some) {
      const part = some?.kind === "data" && random(2) ? some.part : `p${this.#names++}`;
      const value: Part = { part, kind: "data", name: "n", value: this.entries.length };
      const known = parts.some((each) => each.part === part);
      this.#add({ ...value, position }, known ? parts.map((each) => (each.part === part ? value : each)) : [...parts, value]);
    } else if (kind === 9) {
      const gone = random(3) ? [some.part] : parts.map((each) => each.part);
      this.#add({ kind: "retract", parts: gone, position }, parts.filter((each) => !gone.includes(each.part)));
    } else {
      this.#add({ kind: "status", status: "thinking", position }, parts);
    }
    if (random(40) === 0) this.#base = this.entries.length;
  }

  end() {
    const position = this.position(this.entries.length + 1);
    this.#add({ kind: "end", state: "completed", error: null, usage: [], unread: [], position }, this.#after.at(-1) ?? []);
  }

  /** What a stream gives to who was at this position. */
  behind(after: unknown): Item[] {
    const [epoch, number] = String(after ?? `${this.epoch}-0`).split("-");
    const seq = Number(number);
    const ended = this.entries.at(-1)?.kind === "end";
    const content = this.entries.length - (ended ? 1 : 0);
    const from = Math.min(seq, content);
    const fresh = epoch === this.epoch && seq >= this.#base && this.random(20) > 0;
    const items = fresh ? this.#merged(from, content) : this.#snapshot(content);
    const last = items.at(-1)?.position ?? (typeof after === "string" ? after : null);
    return [...items, { kind: "live", position: last }, ...(ended ? this.entries.slice(-1) : [])];
  }

  #add(item: Item, parts: Part[]) {
    this.entries.push(item);
    this.#after.push(parts);
  }

  #merged(from: number, to: number): Item[] {
    const items: Item[] = [];
    for (const entry of this.entries.slice(from, to)) {
      const before = items.at(-1);
      const joins = before && isText(before) && isText(entry) && before.part === entry.part && this.random(2);
      if (joins) items[items.length - 1] = { ...entry, text: before.text + entry.text };
      else items.push(entry);
    }
    return items;
  }

  /** In as many pieces as it takes: the first names all parts, the others bring text that is missing, in order. */
  #snapshot(seq: number): Item[] {
    const missing: Item[] = [];
    const parts = this.partsAt(this.position(seq)).map((part) => {
      if (part.kind === "data" || this.random(2)) return part;
      const cut = this.random(part.text.length);
      const [middle, half] = [part.text.slice(cut), Math.ceil((part.text.length - cut) / 2)];
      for (const text of [middle.slice(0, half), middle.slice(half)]) missing.push({ kind: part.kind, part: part.part, text, position: null });
      return { ...part, text: part.text.slice(0, cut) };
    });
    const pieces: Item[] = [{ kind: "snapshot", parts, state: "running", asks: [], position: null }, ...missing];
    return pieces.map((piece, index) => (index === pieces.length - 1 ? { ...piece, position: this.position(seq) } : piece));
  }
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test.each(SEEDS)("seed %d", async (seed) => {
  const next = seeded(seed);
  const random: Random = (below) => Math.floor(next() * below);
  const log = new Log("e", random);
  const kept = new Map<string, string>();
  const storage = {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
    removeItem: (key: string) => void kept.delete(key),
  };
  const settle = () => vi.advanceTimersByTimeAsync(0);
  let connection = new FakeConnection();
  let run: AttachedRun;
  const load = async () => {
    connection = new FakeConnection();
    await connection.start();
    run = attachRun(connection, "run", { storage });
  };
  await load();
  let cuts = 0;
  for (let round = 0; round < 200 && !run!.state.ended; round++) {
    for (let more = random(12); more > 0 && round < 40; more--) log.grow();
    if (round === 40) log.end();
    const stream = connection.last;
    const items = log.behind(stream.args[1]);
    const given = round > 60 ? items.length : random(items.length + 1);
    for (const item of items.slice(0, given)) {
      stream.next(item);
      if (!random(4)) await settle();
      if (item.position !== null) expect(run!.state.parts).toEqual(log.partsAt(run!.position));
    }
    if (run!.state.ended) break;
    expect(run!.state.parts).toEqual(log.partsAt(run!.position));
    if (!random(3)) await vi.advanceTimersByTimeAsync(600);
    cuts += 1;
    const what = random(5);
    if (what === 0) {
      if (random(2)) run!.detach(); // otherwise the page dies without a word, with what was kept before
      if (!random(4)) kept.clear();
      await load();
    } else if (what === 1) {
      connection.close();
      await settle();
      await connection.start();
      await vi.advanceTimersByTimeAsync(150);
    } else {
      connection.drop();
      await settle();
      connection.restore();
      await settle();
    }
    expect(run!.state.parts).toEqual(log.partsAt(run!.position));
  }
  expect(run!.state).toMatchObject({ ended: true, state: "completed" });
  expect(run!.state.parts).toEqual(log.partsAt(log.position(log.entries.length)));
  expect(run!.position).toBe(log.position(log.entries.length));
  expect(cuts).toBeGreaterThan(20);
});

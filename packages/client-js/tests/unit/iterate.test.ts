import { expect, test } from "vitest";
import { iterate, type StreamResult } from "../../src/index.js";
import { FakeStream } from "./fake-connection.js";

const numbers = (stream: FakeStream) => iterate(stream as StreamResult<unknown> as StreamResult<number>);

async function all(items: AsyncIterable<number>): Promise<number[]> {
  const got: number[] = [];
  for await (const item of items) got.push(item);
  return got;
}

test("gives every item in order, those that came before they were asked for too", async () => {
  const stream = new FakeStream();
  const items = numbers(stream);
  stream.next(1, 2);
  const rest = all(items);
  stream.next(3);
  await Promise.resolve();
  stream.next(4);
  stream.complete();
  expect(await rest).toEqual([1, 2, 3, 4]);
  expect(stream.disposed).toBe(false);
});

test("keeps its order when thousands wait", async () => {
  const stream = new FakeStream();
  const items = numbers(stream);
  for (let number = 0; number < 5_000; number++) stream.next(number);
  for (let number = 0; number < 3_000; number++) expect((await items.next()).value).toBe(number);
  for (let number = 5_000; number < 6_000; number++) stream.next(number);
  stream.complete();
  expect(await all(items)).toEqual(Array.from({ length: 3_000 }, (_, index) => 3_000 + index));
});

test.each(["break", "throw"])("leaving the loop by %s cancels the stream", async (way) => {
  const stream = new FakeStream();
  const items = numbers(stream);
  stream.next(1, 2, 3);
  const got: number[] = [];
  const loop = async () => {
    for await (const item of items) {
      got.push(item);
      if (way === "throw") throw new Error("enough");
      break;
    }
  };
  if (way === "throw") await expect(loop()).rejects.toThrow("enough");
  else await loop();
  expect(got).toEqual([1]);
  expect(stream.disposed).toBe(true);
  stream.next(4);
  expect(await items.next()).toEqual({ done: true, value: undefined });
});

test("an error is thrown once, after the items before it", async () => {
  const stream = new FakeStream();
  const items = numbers(stream);
  stream.next(1);
  stream.error(new Error("broken"));
  expect((await items.next()).value).toBe(1);
  await expect(items.next()).rejects.toThrow("broken");
  expect(await items.next()).toEqual({ done: true, value: undefined });
  expect(stream.disposed).toBe(false);
});

test("several who wait are served in order, and the end reaches all of them", async () => {
  const stream = new FakeStream();
  const items = numbers(stream);
  const waiting = [items.next(), items.next(), items.next()];
  stream.next(1);
  stream.error(new Error("broken"));
  const results = await Promise.allSettled(waiting);
  expect(results.map((each) => each.status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  expect(results[2]).toMatchObject({ value: { done: true } });
});

test("return() ends it for who waits, and throw() with the error", async () => {
  const stream = new FakeStream();
  const items = numbers(stream);
  const waiting = items.next();
  await items.return?.();
  expect(await waiting).toEqual({ done: true, value: undefined });
  expect(stream.disposed).toBe(true);
  await expect(numbers(new FakeStream()).throw?.(new Error("no more"))).rejects.toThrow("no more");
});

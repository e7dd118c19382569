import { expect, test, vi } from "vitest";
import type { RoomMessage } from "../../src/rooms.js";
import { shownRoom, type ShownRoomOptions } from "../../src/shown-room.js";
import { FakeConnection, settled } from "./fake-connection.js";

const message = (number: number): RoomMessage<number> => ({
  position: `e-${number}`,
  at: "2026-01-01T00:00:00.000Z",
  by: null,
  key: null,
  data: number,
});

const range = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, index) => message(first + index));

async function shown(options: ShownRoomOptions = {}) {
  const connection = new FakeConnection();
  await connection.start();
  const room = shownRoom<number>(connection, "r", options);
  await settled();
  const answer = async (value: unknown) => {
    connection.invocations.shift()?.resolve(value);
    await settled();
  };
  const join = (first: number, last: number, complete = true) =>
    answer({ position: `e-${last}`, complete, messages: range(first, last), members: [] });
  return { connection, room, answer, join, data: () => room.state.messages.map(({ data }) => data) };
}

test("a state never changes, and what comes together is told once", async () => {
  const { connection, room, join, data } = await shown();
  const listener = vi.fn();
  room.onChange(listener);
  await join(1, 3);
  expect(listener).toHaveBeenCalledTimes(1);
  const before = room.state;
  connection.call("RoomMessage", "r", message(4));
  expect(before.messages).toHaveLength(3);
  expect([data(), room.state.gap, room.state.status.live]).toEqual([[1, 2, 3, 4], false, true]);
});

test("messages have no gap between them: behind one they begin anew", async () => {
  const { connection, room, join, data } = await shown();
  await join(1, 3);
  connection.drop();
  await settled();
  connection.restore();
  await settled();
  await join(7, 8, false);
  expect([data(), room.state.gap]).toEqual([[7, 8], true]);
});

test("so many are shown, and those that were asked for", async () => {
  const { connection, room, answer, join, data } = await shown({ keep: 3 });
  await join(4, 6);
  connection.call("RoomMessage", "r", message(7));
  expect([data(), room.state.gap]).toEqual([[5, 6, 7], true]);
  const older = room.older(2);
  await settled();
  expect(connection.invocations[0]?.args).toEqual(["r", "e-5", 2]);
  await answer({ messages: range(3, 4), more: true });
  expect([await older, data()]).toEqual([true, [3, 4, 5, 6, 7]]);
  connection.call("RoomMessage", "r", message(8));
  expect(data()).toEqual([4, 5, 6, 7, 8]);
  const rest = room.older();
  await settled();
  await answer({ messages: range(1, 3), more: false });
  expect([await rest, data(), room.state.gap]).toEqual([false, [1, 2, 3, 4, 5, 6, 7, 8], false]);
});

test("older ones that come after the beginning has changed are not put before it", async () => {
  const { connection, room, answer, join, data } = await shown({ keep: 2 });
  await join(3, 4);
  const older = room.older(1);
  await settled();
  connection.call("RoomMessage", "r", message(5));
  await answer({ messages: range(2, 2), more: true });
  expect([await older, data()]).toEqual([true, [4, 5]]);
});

test("signals go to who wants them", async () => {
  const { connection, room, join } = await shown();
  await join(1, 1);
  const listener = vi.fn();
  const off = room.onSignal(listener);
  const signal = { kind: "typing", value: null, by: "ada", agent: false, connectionId: "c" };
  connection.call("RoomSignal", "r", signal);
  off();
  connection.call("RoomSignal", "r", signal);
  expect(listener.mock.calls).toEqual([[signal]]);
});

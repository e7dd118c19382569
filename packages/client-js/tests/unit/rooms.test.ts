import { expect, test, vi } from "vitest";
import { joinRoom, type RoomMember, type RoomMessage, type RoomOptions } from "../../src/rooms.js";
import { FakeConnection, hubError, settled } from "./fake-connection.js";

const message = (number: number, epoch = "e"): RoomMessage => ({
  position: `${epoch}-${number}`,
  at: "2026-01-01T00:00:00.000Z",
  by: "ada",
  key: null,
  data: number,
});
const messages = (first: number, last: number, epoch = "e") =>
  Array.from({ length: last - first + 1 }, (_, index) => message(first + index, epoch));
const member = (user: string, state: unknown = null): RoomMember => ({ key: `u:${user}`, user, agent: false, state, devices: [] });

/** A room on a connected line, and all that it tells. */
async function joined(options: RoomOptions = {}) {
  const connection = new FakeConnection();
  await connection.start();
  const told: unknown[] = [];
  const room = joinRoom(connection, "r", {
    onMessage: ({ data }) => told.push(data),
    onGap: () => told.push("gap"),
    onPresence: (members, change) => told.push([change?.kind ?? "all", members.map(({ user }) => user).join()]),
    onSignal: ({ kind, value }) => told.push([kind, value]),
    ...options,
  });
  await settled();
  return { connection, room, told, answer: answers(connection) };
}

type Answer = { complete?: boolean; epoch?: string; members?: RoomMember[]; changes?: number };

const answers =
  (connection: FakeConnection) =>
  async (first: number, last: number, { complete = true, epoch = "e", members = [] as RoomMember[], ...more }: Answer = {}) => {
    const call = connection.invocations.find(({ method }) => method === "JoinRoom");
    if (!call) throw new Error("nobody joins");
    connection.invocations.splice(connection.invocations.indexOf(call), 1);
    call.resolve({ position: `${epoch}-${last}`, complete, messages: messages(first, last, epoch), members, ...more });
    await settled();
    return call.args;
  };

test("what arrives before the answer comes behind the history, once", async () => {
  const { connection, room, told, answer } = await joined({ history: 5, device: "phone", state: { a: 1 } });
  connection.call("RoomMessage", "r", message(3));
  connection.call("RoomMessage", "r", message(4));
  connection.call("RoomMessage", "other", message(5));
  expect(room.status.live).toBe(false);
  const args = await answer(1, 3, { complete: false, members: [member("ada")] });
  expect(args).toEqual(["r", null, { history: 5, device: "phone", state: { a: 1 } }]);
  expect(Object.keys(args[2] as object)).toHaveLength(3); // MessagePack would send what is undefined as null
  connection.call("RoomMessage", "r", message(5));
  connection.call("RoomMessage", "r", message(5));
  expect(told).toEqual([1, 2, 3, ["all", "ada"], 4, 5]);
  expect([room.position, room.status]).toEqual(["e-5", { live: true, error: null, closed: false }]);
});

test("at each reconnect it goes on after what it has, and says when that is not everything", async () => {
  const { connection, room, told, answer } = await joined();
  await answer(1, 2);
  connection.drop();
  await settled();
  expect(room.status.live).toBe(false);
  connection.restore();
  await settled();
  expect((await answer(3, 4))[1]).toBe("e-2");
  connection.close();
  await connection.start();
  await vi.waitFor(() => expect(connection.invocations).toHaveLength(1), { timeout: 60_000 });
  expect((await answer(9, 9, { complete: false, epoch: "f" }))[1]).toBe("e-4");
  connection.call("RoomMessage", "r", message(10, "f"));
  expect(told).toEqual([1, 2, ["all", ""], 3, 4, ["all", ""], "gap", 9, ["all", ""], 10]);
});

test("what was dropped on the way is asked for", async () => {
  const { connection, told, answer } = await joined({ presence: false, onPresence: undefined });
  await answer(1, 1);
  connection.call("RoomMessage", "r", message(3));
  connection.call("RoomMessage", "r", message(4));
  await settled();
  expect((await answer(2, 4))[1]).toBe("e-1");
  expect(told).toEqual([1, 2, 3, 4]);
});

test("a gap that the server tells of is told, once", async () => {
  const { connection, room, told, answer } = await joined({ onPresence: undefined });
  await answer(1, 2);
  connection.call("RoomGap", "r", { position: "e-2" });
  connection.call("RoomGap", "r", { position: "f-7" });
  connection.call("RoomMessage", "r", message(8, "f"));
  expect(told).toEqual([1, 2, "gap", 8]);
  expect(room.position).toBe("f-8");
});

test("members come, change and leave; signals are passed on", async () => {
  const { connection, room, told, answer } = await joined();
  await answer(1, 0, { members: [member("ada")] });
  connection.call("RoomPresence", "r", { kind: "enter", member: member("bob") });
  connection.call("RoomPresence", "r", { kind: "update", member: member("bob", "busy") });
  expect(room.members.map(({ state }) => state)).toEqual([null, "busy"]);
  connection.call("RoomPresence", "r", { kind: "leave", member: member("ada") });
  connection.call("RoomSignal", "r", { kind: "typing", value: true });
  expect(told).toEqual([["all", "ada"], ["enter", "ada,bob"], ["update", "ada,bob"], ["leave", "bob"], ["typing", true]]);
});

test("changes of members that the list of a later join includes are not told", async () => {
  const { connection, room, told, answer } = await joined();
  await answer(1, 1, { members: [member("ada")], changes: 3 });
  connection.call("RoomMessage", "r", message(3)); // one was dropped: the room is joined again, over the same connection
  connection.call("RoomPresence", "r", { kind: "leave", member: member("ada"), number: 4 }); // sent before the server handles that
  connection.call("RoomPresence", "r", { kind: "enter", member: member("bob"), number: 6 }); // sent after it, before the answer
  await settled();
  await answer(2, 3, { members: [member("ada")], changes: 5 });
  connection.call("RoomPresence", "r", { kind: "leave", member: member("ada"), number: 5 }); // held up on the server
  connection.call("RoomPresence", "r", { kind: "leave", member: member("bob"), number: 7 });
  expect(told).toEqual([1, ["all", "ada"], 2, 3, ["all", "ada"], ["enter", "ada,bob"], ["leave", "ada"]]);
  connection.drop();
  await settled();
  connection.restore(); // to an older server, which does not number them
  await settled();
  await answer(4, 4, { members: [member("ada")] });
  connection.call("RoomPresence", "r", { kind: "enter", member: member("eve") });
  connection.call("RoomPresence", "r", { kind: "leave", member: member("ada") });
  expect(room.members.map(({ user }) => user)).toEqual(["eve"]);
});

test("a message is sent once, again after a cut with the same key", async () => {
  const { connection, room, answer } = await joined();
  await answer(1, 0);
  const sent = room.send("hello");
  await settled();
  const first = connection.invocations[0]?.args;
  connection.drop();
  await settled();
  connection.restore();
  await settled();
  await answer(1, 0);
  expect(connection.invocations.map(({ method, args }) => [method, ...args])).toEqual([["SendToRoom", ...(first ?? [])]]);
  connection.invocations[0]?.resolve("e-1");
  expect(await sent).toBe("e-1");
});

test("a call that finds no connection at the server is made again, and one that is refused is not", async () => {
  const { connection, room, answer } = await joined();
  await answer(1, 0);
  const sent = room.send("hello", "key");
  const refused = expect(room.send("", "other")).rejects.toThrow("The value has 3 bytes; 2 are allowed.");
  await settled();
  connection.invocations.pop()?.reject(hubError("The value has 3 bytes; 2 are allowed."));
  connection.invocations.pop()?.reject(Object.assign(new Error("No Connection with that ID"), { statusCode: 404 }));
  await refused;
  await vi.waitFor(() => expect(connection.invocations.map(({ args }) => args)).toEqual([["r", "hello", "key"]]), { timeout: 60_000 });
  connection.invocations.pop()?.resolve("e-1");
  expect(await sent).toBe("e-1");
});

test("the state is set, and set again after a reconnect; signals without a connection are dropped", async () => {
  const { connection, room, answer } = await joined();
  await answer(1, 0);
  void room.setState("busy");
  room.signal("typing");
  expect(connection.invocations.map(({ method, args }) => [method, ...args])).toEqual([
    ["SetRoomState", "r", "busy"],
    ["SignalRoom", "r", "typing", null],
  ]);
  connection.invocations[0]?.resolve(null);
  connection.invocations.splice(0);
  connection.drop();
  room.signal("typing");
  await settled();
  connection.restore();
  await settled();
  expect(await answer(1, 0)).toMatchObject(["r", "e-0", { state: "busy" }]);
});

test("a state that is set while the room is joined is told", async () => {
  const { connection, room, answer } = await joined({ state: "new" });
  await room.setState("busy");
  expect((await answer(1, 0))[2]).toEqual({ state: "new" });
  expect(connection.invocations.map(({ method, args }) => [method, ...args])).toEqual([["SetRoomState", "r", "busy"]]);
});

test("what comes while another one joins the room is heard by those who are in it", async () => {
  const { connection, told, answer } = await joined();
  await answer(1, 1, { members: [member("ada")] });
  const others: unknown[] = [];
  joinRoom(connection, "r", { visible: false, presence: false, onMessage: ({ data }) => others.push(data), onPresence: () => others.push("members") });
  await settled();
  const args = await answer(1, 2, { members: [member("ada"), member("bob")] });
  expect(args[2]).toEqual({ state: null });
  expect(told).toEqual([1, ["all", "ada"], 2, ["all", "ada,bob"]]);
  expect(others).toEqual([1, 2]);
});

test("a list of members that another one gets is not put over changes after it", async () => {
  const { connection, room, told, answer } = await joined();
  await answer(1, 0, { members: [member("ada")], changes: 1 });
  const other = joinRoom(connection, "r", { presence: false });
  await settled();
  connection.call("RoomPresence", "r", { kind: "enter", member: member("bob"), number: 2 }); // before the server handles the join
  connection.call("RoomPresence", "r", { kind: "leave", member: member("ada"), number: 4 }); // after it, before the answer
  await answer(1, 0, { members: [member("ada"), member("bob")], changes: 3 });
  connection.call("RoomPresence", "r", { kind: "enter", member: member("ada"), number: 5 });
  expect(told).toEqual([["all", "ada"], ["enter", "ada,bob"], ["leave", "bob"], ["all", "bob"], ["enter", "bob,ada"]]);
  expect([room.members.length, other.members]).toEqual([2, []]);
});

test("a callback that throws is reported, and everything else goes on", async () => {
  const reported = vi.fn();
  process.on("unhandledRejection", reported);
  const told: unknown[] = [];
  const { connection, room, answer } = await joined({
    onMessage({ data }) {
      told.push(data);
      throw new Error(`message ${data}`);
    },
    onGap() {
      throw new Error("gap");
    },
    onPresence() {
      throw new Error("presence");
    },
    onStatus() {
      throw new Error("status");
    },
  });
  await answer(1, 2);
  connection.call("RoomMessage", "r", message(3));
  expect([told, room.status.live]).toEqual([[1, 2, 3], true]);
  await vi.waitFor(() => expect(reported).toHaveBeenCalledTimes(5));
  process.off("unhandledRejection", reported);
});

test("a room that one may not enter is closed; another error is tried again", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  try {
    const { connection, room } = await joined();
    connection.invocations.shift()?.reject(hubError("The room cannot be reached at present. Try again in a moment."));
    await settled();
    expect(room.status.error).toBe("The room cannot be reached at present. Try again in a moment.");
    await vi.advanceTimersByTimeAsync(1_000);
    connection.invocations.shift()?.reject(hubError("The room does not exist."));
    await settled();
    expect(room.status).toEqual({ live: false, error: "The room does not exist.", closed: true });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(connection.invocations).toEqual([]);
  } finally {
    vi.useRealTimers();
  }
});

test("who is taken out is told, and nothing is tried again", async () => {
  const { connection, room, answer } = await joined();
  await answer(1, 0);
  connection.call("RoomClosed", "r");
  expect(room.status).toEqual({ live: false, error: "The room does not exist.", closed: true });
  connection.drop();
  await settled();
  connection.restore();
  await settled();
  expect(connection.invocations).toEqual([]);
});

test("the room is left with the last one who uses it, and says nothing more", async () => {
  const { connection, room, told, answer } = await joined();
  const again = joinRoom(connection, "r");
  await answer(1, 1);
  await answer(1, 1);
  room.leave();
  room.leave();
  connection.call("RoomMessage", "r", message(2));
  expect(connection.invocations).toEqual([]);
  expect(told).toEqual([1, ["all", ""], ["all", ""]]);
  expect(again.position).toBe("e-2");
  again.leave();
  expect(connection.invocations.map(({ method }) => method)).toEqual(["LeaveRoom"]);
  expect([...connection.handlers.values()].every((each) => each.size === 0)).toBe(true);
});

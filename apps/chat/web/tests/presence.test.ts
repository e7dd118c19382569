import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Chat } from "../src/chat";
import { memoryBox } from "../src/ui/storage";
import { entered, FakeHub, message, NO_FILES, room, USER } from "./fake-port";

let hub: FakeHub;
let chat: Chat;

const member = (id: string, name: string, ...devices: string[]) =>
  ({ key: `u:${id}`, user: id, agent: false, state: { name }, devices: devices.map((each, at) => ({ id: `${id}${at}`, name: each, since: null })) });
const typing = (by: string) => hub.tell("RoomSignal", "r", { kind: "typing", value: null, by, agent: false, connectionId: "x" });
const settled = () => vi.advanceTimersByTimeAsync(0);

beforeEach(async () => {
  vi.useFakeTimers();
  hub = new FakeHub();
  hub.replies = {
    Enter: () => entered([room("r"), room("other")], "one"),
    OpenRoom: (id: string) => ({ room: room(id), messages: [], hasMore: false, reset: false }),
    JoinRoom: (id: string) => ({ position: "e-0", complete: true, messages: [], members: id === "r" ? [member("bob", "Bob", "phone"), member("ada", "Ada", "laptop", "laptop")] : [] }),
  };
  chat = new Chat({
    user: USER, openPort: hub.open, box: memoryBox(), schedule: (work) => work(),
    turnedAway: () => undefined, somebodyElse: () => undefined, files: NO_FILES,
  });
  chat.connection.open();
  await settled();
});

afterEach(() => vi.useRealTimers());

const here = () => chat.presence.people.value.map(({ name, devices }) => [name, devices]);

describe("Presence", () => {
  it("has who is there, by name, with devices and not tabs, and who comes and leaves", () => {
    expect(here()).toEqual([["Ada", 1], ["Bob", 1]]);
    hub.tell("RoomPresence", "r", { kind: "update", member: member("bob", "Bob", "phone", "laptop") });
    hub.tell("RoomPresence", "r", { kind: "enter", member: member("cyd", "Cyd", "x") });
    hub.tell("RoomPresence", "other", { kind: "enter", member: member("eve", "Eve", "x") });
    expect(here()).toEqual([["Ada", 1], ["Bob", 2], ["Cyd", 1]]);
    hub.tell("RoomPresence", "r", { kind: "leave", member: member("bob", "Bob", "phone") });
    expect(here()).toEqual([["Ada", 1], ["Cyd", 1]]);
  });

  it("says who writes until they have written, stop, or leave, and never that I do", async () => {
    typing("ada");
    expect(chat.presence.writing.value).toEqual([]);
    typing("bob");
    expect(chat.presence.writing.value).toEqual(["Bob"]);
    hub.call("ReceiveMessage", message(1, { author: { id: "bob", name: "Bob", kind: "person" } }));
    expect(chat.presence.writing.value).toEqual([]);
    typing("bob");
    await vi.advanceTimersByTimeAsync(2_500);
    typing("bob");
    await vi.advanceTimersByTimeAsync(2_500);
    expect(chat.presence.writing.value).toEqual(["Bob"]);
    await vi.advanceTimersByTimeAsync(2_500);
    expect(chat.presence.writing.value).toEqual([]);
    typing("bob");
    hub.tell("RoomPresence", "r", { kind: "leave", member: member("bob", "Bob", "phone") });
    expect(chat.presence.writing.value).toEqual([]);
  });

  it("is in the room that is shown, and in no other", async () => {
    chat.presence.write();
    typing("bob");
    await chat.rooms.show("other");
    await settled();
    expect([here(), chat.presence.writing.value]).toEqual([[], []]);
    expect(hub.named("JoinRoom").map(([id]) => id)).toEqual(["r", "other"]);
    expect(hub.named("LeaveRoom")).toEqual([["r"]]);
    expect(hub.named("SignalRoom")).toEqual([["r", "typing", null]]);
  });

  it("is there again after a cut, and after the session has ended", async () => {
    hub.drop();
    expect(here()).toEqual([["Ada", 1], ["Bob", 1]]);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(hub.named("JoinRoom")).toHaveLength(2);
    hub.tell("RoomClosed", "r");
    hub.endSession();
    chat.connection.open();
    await settled();
    expect(hub.named("JoinRoom")).toHaveLength(3);
    hub.tell("RoomPresence", "r", { kind: "leave", member: member("bob", "Bob", "phone") });
    expect(here()).toEqual([["Ada", 1]]);
  });
});

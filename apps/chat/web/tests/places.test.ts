import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Chat } from "../src/chat";
import type { Around, Opened, Message } from "../src/connection/contract";
import { FRESH_VIEW, KEPT, withAround, withEarlier, withOpened, withLater, withNews, type RoomView } from "../src/rooms/room-view";
import { addressOf, parse } from "../src/rooms/route";
import { memoryBox } from "../src/ui/storage";
import { answer, entered, FakeHub, message, NO_FILES, room, USER } from "./fake-port";

const span = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => message(from + index));

let hub: FakeHub;
let chat: Chat;
let history: Message[];

beforeEach(() => {
  vi.useFakeTimers();
  hub = new FakeHub();
  history = span(1, 300);
  hub.replies = {
    Enter: () => entered([room("r", history.length), room("other")], "one"),
    OpenRoom: (roomId: string, since: number | null): Opened => {
      const there = roomId === "r" ? history : [];
      const messages = since === null ? there.slice(-50) : there.filter((each) => each.seq > since);
      return { room: room(roomId, there.length), messages, hasMore: true, reset: false };
    },
    LoadAround: (_room: string, id: string): Around => {
      const at = history.findIndex((each) => each.id === id);
      if (at < 0) throw new Error("HubError: This message does not exist any more.");
      const from = Math.max(0, at - 25);
      return { messages: history.slice(from, at + 26), hasMore: from > 0, hasLater: at + 26 < history.length };
    },
    LoadLater: (_room: string, after: number) => ({ messages: history.slice(after, after + 50), hasMore: history.length > after + 50 }),
  };
  chat = new Chat({ user: USER, openPort: hub.open, box: memoryBox(), schedule: (work) => work(), turnedAway: () => undefined, somebodyElse: () => undefined, files: NO_FILES });
  chat.connection.open();
});

afterEach(() => vi.useRealTimers());

const settled = () => vi.advanceTimersByTimeAsync(0);
const view = () => chat.rooms.view("r").value;
const shown = () => [view().messages[0]?.seq, view().messages.at(-1)?.seq, view().hasMore, view().hasLater];
const jump = (messageId: string, roomId = "r") => chat.places.jump({ roomId, messageId, words: [] });
const say = (seq: number) => {
  history.push(message(seq));
  hub.call("ReceiveMessage", message(seq));
};

describe("Places", () => {
  it("shows the messages around one of long ago, and nothing of what comes meanwhile", async () => {
    await settled();
    await jump("m100");
    expect(shown()).toEqual([75, 125, true, true]);
    say(301);
    expect(shown()).toEqual([75, 125, true, true]);
    expect(chat.rooms.room("r")?.lastSeq).toBe(301);
  });

  it("stays where it is for a message that is here", async () => {
    await settled();
    await jump("m290");
    expect(hub.named("LoadAround")).toEqual([]);
    expect(shown()).toEqual([251, 300, true, false]);
  });

  it("puts a near place and the newest messages together", async () => {
    await settled();
    await jump("m230");
    expect(shown()).toEqual([205, 300, true, false]);
  });

  it("reads on until the newest, with what came meanwhile", async () => {
    await settled();
    await jump("m200");
    await chat.places.loadLater("r");
    expect(shown()).toEqual([175, 275, true, true]);
    const reply = hub.replies.LoadLater!;
    hub.replies.LoadLater = (...args: never[]) => {
      const told = (reply as (...args: unknown[]) => unknown)(...args);
      say(301);
      return told;
    };
    await chat.places.loadLater("r");
    expect(shown()).toEqual([175, 300, true, true]);
    hub.replies.LoadLater = reply;
    await chat.places.loadLater("r");
    expect(shown()).toEqual([175, 301, true, false]);
    say(302);
    expect(shown()).toEqual([175, 302, true, false]);
  });

  it("leaves no gap when the newest were taken off while those after them were fetched, nor at the other end", async () => {
    await settled();
    await jump("m100");
    hub.replies.LoadLater = () => {
      chat.rooms.view("r").update((value) => ({ ...value, messages: span(60, 110) }));
      return { messages: span(126, 175), hasMore: true };
    };
    await chat.places.loadLater("r");
    expect([...shown(), view().later]).toEqual([60, 110, true, true, "idle"]);
    hub.replies.LoadEarlier = () => {
      chat.rooms.view("r").update((value) => ({ ...value, messages: span(80, 110) }));
      return { messages: span(10, 59), hasMore: true };
    };
    await chat.rooms.loadEarlier("r");
    expect([...shown(), view().earlier]).toEqual([80, 110, true, true, "idle"]);
  });

  it("goes back to the newest messages", async () => {
    await settled();
    await jump("m100");
    chat.places.toNewest("r");
    expect(view().status).toBe("loading");
    await settled();
    expect(shown()).toEqual([251, 300, true, false]);
    expect(chat.places.target.value).toBeNull();
  });

  it("stays at its place over a reconnect, with answers as they are now", async () => {
    history[99] = answer(100, "running", "ab");
    await settled();
    await jump("m100");
    hub.drop();
    history[99] = answer(100, "completed", "abcd");
    await vi.advanceTimersByTimeAsync(2_000);
    expect(shown()).toEqual([75, 125, true, true]);
    expect(chat.answers.watch("m100").value).toMatchObject({ phase: "completed", text: "abcd" });
  });

  it("jumps when the connection is back", async () => {
    await settled();
    hub.drop();
    await jump("m100");
    expect(hub.named("LoadAround")).toEqual([]);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(shown()).toEqual([75, 125, true, true]);
  });

  it("takes the newest when the place is gone after a reconnect", async () => {
    await settled();
    await jump("m100");
    hub.drop();
    history = span(290, 300);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(shown()).toEqual([290, 300, true, false]);
  });

  it("says when a message is gone, and stays with the newest", async () => {
    await settled();
    await jump("nothing");
    expect(chat.notice.value?.text).toBe("This message does not exist any more.");
    expect(chat.places.target.value).toBeNull();
    expect(shown()).toEqual([251, 300, true, false]);
  });

  it("begins anew in a room that was left at an old place", async () => {
    await settled();
    await jump("m100");
    await chat.rooms.show("other");
    expect(chat.places.target.value).toBeNull();
    await chat.rooms.show("r");
    expect(shown()).toEqual([251, 300, true, false]);
  });

  it("opens the room of the message first", async () => {
    await settled();
    await chat.rooms.show("other");
    await jump("m100");
    expect(chat.rooms.active.value).toBe("r");
    expect(shown()).toEqual([75, 125, true, true]);
  });

  it("shows a room, and the place in it, as soon as it may be seen", async () => {
    await settled();
    await jump("m100", "secret");
    expect([chat.rooms.active.value, chat.rooms.missing.value]).toEqual([null, "secret"]);
    hub.call("RoomsChanged", [room("r", 300), room("secret", 300)]);
    await settled();
    expect([chat.rooms.active.value, chat.rooms.missing.value]).toEqual(["secret", null]);
    expect(hub.named("LoadAround")).toEqual([["secret", "m100"]]);
  });
});

describe("views", () => {
  it("drop what is far above while newer messages are loaded", () => {
    let there = withAround(FRESH_VIEW, { messages: span(1, 51), hasMore: false, hasLater: true });
    for (let after = 51; after < 1_001; after += 50) there = withLater(there, { messages: span(after + 1, after + 50), hasMore: true }, false);
    expect(there.messages.length).toBeLessThanOrEqual(KEPT * 1.5);
    expect([there.messages.at(-1)?.seq, there.hasMore]).toEqual([1_001, true]);
  });

  it("drop the newest while the reader goes far back, and nothing at the bottom", () => {
    let there: RoomView = { ...FRESH_VIEW, status: "ready", hasMore: true, messages: span(5_401, 6_000) };
    const earlier = (before: number) => ({ messages: span(before - 50, before - 1), hasMore: before > 51 });
    there = withEarlier(there, earlier(5_401));
    expect([there.messages.at(-1)?.seq, there.hasLater]).toEqual([6_000, false]);
    for (let before = 5_351; before > 1; before -= 50) there = withEarlier(there, earlier(before));
    expect(there.messages.length).toBeLessThanOrEqual(KEPT * 1.75);
    expect([there.messages[0]?.seq, there.hasMore, there.hasLater]).toEqual([1, false, true]);
    expect(there.messages.map((each) => each.seq)).toEqual(span(1, there.messages.length).map((each) => each.seq));
    const joined = { room: room("r", 6_001), messages: [message(6_001), message(3, { text: "new" })], hasMore: true, reset: false };
    const healed = withOpened(there, joined, 6_000);
    expect([healed.messages.length, healed.messages[2]?.text]).toEqual([there.messages.length, "new"]);
  });

  it("take the newer form of a message that they show", () => {
    const there = withAround(FRESH_VIEW, { messages: span(1, 51), hasMore: false, hasLater: true });
    expect(withNews(there, message(7, { text: "new" })).messages[6]?.text).toBe("new");
    expect(withNews(there, message(60))).toBe(there);
  });
});

describe("addresses", () => {
  it.each([
    ["#/room/general", { roomId: "general", messageId: null }],
    ["#/room/a%2Fb/message/x_-1", { roomId: "a/b", messageId: "x_-1" }],
    ["#/room/general/message/", null],
    ["#/room/general/other/1", null],
    ["#/room/%E0%A4%A", null],
    ["", null],
  ])("of %s are read", (hash, address) => expect(parse(hash)).toEqual(address));

  it("are read as they were written", () => {
    expect(parse(addressOf("a/b #?", "m%/1"))).toEqual({ roomId: "a/b #?", messageId: "m%/1" });
    expect(parse(addressOf("general"))).toEqual({ roomId: "general", messageId: null });
  });
});

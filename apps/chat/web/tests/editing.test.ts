import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Chat } from "../src/chat";
import type { Opened, Message } from "../src/connection/contract";
import { healSince, heardUntil } from "../src/rooms/room-view";
import { memoryBox } from "../src/ui/storage";
import { ADA, answer, entered, FakeHub, message, NO_FILES, room, USER } from "./fake-port";

let hub: FakeHub;
let chat: Chat;
let history: Message[];
let more: Partial<Opened>;

beforeEach(async () => {
  vi.useFakeTimers();
  hub = new FakeHub();
  history = [message(3), message(4, { author: { ...ADA, id: "grace" } }), answer(5, "completed", "an answer")];
  more = {};
  hub.replies = {
    Enter: () => entered([room("r", 5)], "one"),
    OpenRoom: (_room: string, since: number | null) => ({
      room: room("r", 5), people: [ADA], hasMore: true, reset: false, messages: since === null ? [...history] : [], ...more,
    }),
  };
  chat = new Chat({ user: USER, openPort: hub.open, box: memoryBox(), schedule: (work) => work(), turnedAway: () => undefined, somebodyElse: () => undefined, files: NO_FILES });
  chat.connection.open();
  await vi.advanceTimersByTimeAsync(0);
});

afterEach(() => vi.useRealTimers());

const texts = () => chat.rooms.view("r").value.messages.map((each) => (each.isDeleted ? "deleted" : each.text));

describe("editing", () => {
  it("begins with my last message, and keeps what is written until the server has it", async () => {
    expect(chat.editing.beginLast("r", "ada")).toBe(true);
    expect(chat.editing.edited.value).toEqual({ messageId: "m3", text: "text 3" });
    chat.editing.write(" better ");
    hub.replies.EditMessage = () => {
      throw new Error("HubError: The message could not be stored.");
    };
    await expect(chat.editing.save(false)).rejects.toThrow("The message could not be stored.");
    expect(chat.editing.edited.value?.text).toBe(" better ");
    hub.replies.EditMessage = (_id: string, text: string) => message(3, { text, editedAt: "2026-01-01T11:00:00Z" });
    await chat.editing.save(true);
    expect(hub.named("EditMessage").at(-1)).toEqual(["m3", "better", true]);
    expect([chat.editing.edited.value, texts()[0]]).toEqual([null, "better"]);
    expect(chat.editing.beginLast("r", "nobody")).toBe(false);
  });

  it("shows a change of what is here, and puts nothing older between", () => {
    hub.call("MessageChanged", message(4, { text: "", isDeleted: true }));
    hub.call("MessageChanged", message(1, { text: "edited long ago" }));
    expect(texts()).toEqual(["text 3", "deleted", "an answer"]);
  });

  it("shows an answer that is made anew in its place, and fetches an earlier version once", async () => {
    hub.call("MessageChanged", { ...answer(5, "running"), versions: 2 });
    await vi.advanceTimersByTimeAsync(0);
    hub.write("run5", { kind: "text", part: "1", text: "another" });
    await vi.advanceTimersByTimeAsync(0);
    expect(chat.answers.watch("m5").value).toMatchObject({ text: "another", phase: "answering" });
    const version = { messageId: "m5", number: 1, text: "an answer", answer: answer(5, "completed").answer };
    hub.replies.AnswerVersion = () => version;
    expect(await chat.editing.version("m5", 1)).toEqual(version);
    await chat.editing.version("m5", 1);
    expect(hub.named("AnswerVersion")).toEqual([["m5", 1]]);
  });

  it("learns after a reconnect what was changed, deleted and cleared meanwhile", async () => {
    hub.call("MessageChanged", message(4, { text: "newer", editedAt: "2026-01-02T10:00:00Z" }));
    hub.drop();
    more = { changed: [message(1, { text: "older than what is here" }), message(4, { text: "", isDeleted: true }), answer(5, "completed", "another")], clearedBefore: 4 };
    await vi.advanceTimersByTimeAsync(2_000);
    expect(hub.named("OpenRoom")[1]).toEqual(["r", 5, "2026-01-02T10:00:00Z"]);
    expect(texts()).toEqual(["deleted", "another"]);
    expect(chat.answers.watch("m5").value?.text).toBe("another");
  });
});

describe("loading back", () => {
  it("goes on until the message is there, and no further; an error ends it", async () => {
    hub.replies.LoadEarlier = (_room: string, before: number) => {
      if (before <= 11) throw new Error("HubError: Later.");
      return { messages: [message(before - 2, { id: `e${before - 2}` }), message(before - 1, { id: `e${before - 1}` })], hasMore: true };
    };
    chat.rooms.view("r").update((view) => ({ ...view, messages: [message(20)] }));
    const first = () => chat.rooms.view("r").value.messages[0]?.seq;
    await chat.rooms.loadBack("r", 17);
    expect([first(), hub.named("LoadEarlier").length]).toEqual([16, 2]);
    await chat.rooms.loadBack("r", 16);
    expect(hub.named("LoadEarlier")).toHaveLength(2);
    await chat.rooms.loadBack("r", 1);
    expect([first(), chat.rooms.view("r").value.earlier]).toEqual([10, "error"]);
  });
});

describe("what a returning page says of itself", () => {
  it("is the newest time it has heard of, of notes not", () => {
    expect(heardUntil([])).toBeNull();
    const ended = answer(2, "completed");
    ended.answer!.endedAt = "2026-01-03T10:00:00Z";
    expect(heardUntil([message(1), ended, message(0, { sentAt: "2027-01-01T00:00:00Z" })])).toBe("2026-01-03T10:00:00Z");
  });

  it("is not the place of an answer that is made anew far above", () => {
    expect(healSince([answer(2, "running"), message(300)])).toBe(300);
    expect(healSince([answer(250, "running"), message(300)])).toBe(249);
  });
});

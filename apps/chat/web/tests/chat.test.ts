import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Chat } from "../src/chat";
import type { Opened, Message } from "../src/connection/contract";
import { memoryBox } from "../src/ui/storage";
import { answer, BUDGET, entered, FakeHub, ME, message, NO_FILES, room, USER } from "./fake-port";

const AT = "2026-01-01T10:00:00Z";

let hub: FakeHub;
let chat: Chat;
let history: Message[];
let turnedAway: (string | null)[];
let strangers: number;

const joined = (messages: Message[], more: Partial<Opened> = {}): Opened => ({
  room: room("r", history.length),
    messages: [...messages],
  hasMore: false,
  reset: false,
  ...more,
});

beforeEach(() => {
  vi.useFakeTimers();
  hub = new FakeHub();
  history = [message(1), message(2)];
  hub.replies = {
    Enter: () => entered([room("r", history.length), room("other")], "one"),
    OpenRoom: (_room: string, since: number | null) => joined(since === null ? history : history.filter((each) => each.seq > since)),
    SendMessage: (_room: string, clientMessageId: string, text: string) => {
      const made = message(history.length + 1, { clientMessageId, text });
      history.push(made);
      hub.call("ReceiveMessage", made);
      return made;
    },
  };
  turnedAway = [];
  strangers = 0;
  chat = new Chat({
    user: USER, openPort: hub.open, box: memoryBox(), schedule: (work) => work(),
    turnedAway: (reason) => turnedAway.push(reason), somebodyElse: () => void strangers++, files: NO_FILES,
  });
});

afterEach(() => vi.useRealTimers());

const settled = () => vi.advanceTimersByTimeAsync(0);
const shown = () => chat.rooms.view("r").value.messages.map((each) => each.id);

describe("Chat", () => {
  it("enters, joins the first room and shows its history", async () => {
    chat.connection.open();
    await settled();
    expect(hub.calls[0]).toEqual(["Enter"]);
    expect(hub.named("OpenRoom")).toEqual([["r", null, null]]);
    expect(shown()).toEqual(["m1", "m2"]);
    expect(chat.connection.state.value.phase).toBe("live");
  });

  it("shows a sent message once, though it comes back in two ways", async () => {
    chat.connection.open();
    await settled();
    chat.send("r", "hello", false);
    await settled();
    expect(chat.outbox.entries.value).toHaveLength(0);
    expect(shown()).toEqual(["m1", "m2", "m3"]);
  });

  it("heals after a reconnect: joins since the last message, then sends what waited", async () => {
    chat.connection.open();
    await settled();
    hub.drop();
    history.push(message(3));
    chat.send("r", "written offline", false);
    await vi.advanceTimersByTimeAsync(2_000);
    const order = hub.calls.map(([name]) => name).filter((name) => name !== "Ping" && name !== "JoinRoom");
    expect(order).toEqual(["Enter", "OpenRoom", "Enter", "OpenRoom", "SendMessage"]);
    expect(hub.named("OpenRoom")[1]).toEqual(["r", 2, AT]);
    expect(shown()).toEqual(["m1", "m2", "m3", "m4"]);
  });

  it("joins from before an answer that still ran, so that its end comes along", async () => {
    history.push(answer(3, "running", "ab"), message(4));
    chat.connection.open();
    await settled();
    hub.drop();
    history[2] = answer(3, "completed", "abcd");
    await vi.advanceTimersByTimeAsync(2_000);
    expect(hub.named("OpenRoom")[1]).toEqual(["r", 2, AT]);
    expect(chat.answers.watch("m3").value).toMatchObject({ text: "abcd", answer: { state: "completed" } });
    expect(shown()).toEqual(["m1", "m2", "m3", "m4"]);
  });

  it("goes on with an answer over a reconnect, from where it was", async () => {
    history.push(answer(3, "running"));
    chat.connection.open();
    await settled();
    hub.write("run3", { kind: "text", part: "1", text: "one " }, { kind: "text", part: "1", text: "two " });
    hub.drop();
    await vi.advanceTimersByTimeAsync(2_000);
    expect(hub.named("AttachRun")).toEqual([["run3", null], ["run3", "p2"]]);
    hub.write("run3", { kind: "text", part: "1", text: "three" });
    await settled();
    expect(chat.answers.watch("m3").value?.text).toBe("one two three");
  });

  it("joins again when the run of an answer is no more", async () => {
    history.push(answer(3, "running", "ab"));
    chat.connection.open();
    await settled();
    history[2] = answer(3, "interrupted", "abcd");
    hub.streams[0]!.subscriber.error(new Error("HubError: The run does not exist."));
    await settled();
    expect(hub.named("OpenRoom")[1]).toEqual(["r", 2, AT]);
    expect(chat.answers.watch("m3").value).toMatchObject({ phase: "interrupted", text: "abcd" });
  });

  it("announces an answer that has ended, and forgets what was cleared", async () => {
    history.push(answer(3, "running"));
    chat.connection.open();
    await settled();
    hub.call("MessageChanged", answer(3, "completed", "done"));
    expect(chat.finished.value?.text).toBe("done");
    hub.call("HistoryCleared", "r", 3);
    expect(shown()).toEqual(["m3"]);
  });

  it("waits for no answer of a server that has started anew, and goes on with what it has", async () => {
    chat.connection.open();
    await settled();
    chat.send("r", "@ai why?", false);
    await settled();
    expect(chat.outbox.expected.value).toHaveLength(1);
    hub.drop();
    hub.replies.Enter = () => entered([room("r", history.length)], "two");
    await vi.advanceTimersByTimeAsync(2_000);
    expect(hub.named("OpenRoom")[1]).toEqual(["r", 3, AT]);
    expect(shown()).toEqual(["m1", "m2", "m3"]);
    expect(chat.outbox.expected.value).toHaveLength(0);
  });

  it("takes the server's copy when it has forgotten what was said", async () => {
    chat.connection.open();
    await settled();
    hub.drop();
    history = [message(1, { id: "fresh" })];
    await vi.advanceTimersByTimeAsync(2_000);
    expect(shown()).toEqual(["fresh"]);
  });

  it("sends a question to the model that was chosen", async () => {
    hub.replies.Ask = (_room: string, clientMessageId: string) => message(3, { clientMessageId });
    chat.connection.open();
    await settled();
    chat.send("r", "why?", true);
    await settled();
    expect(hub.named("Ask")).toEqual([["r", expect.any(String), "why?"]]);
  });

  it("learns of a new budget, tier and role while it is open", async () => {
    chat.connection.open();
    await settled();
    expect(chat.budget.value).toEqual(BUDGET);
    hub.call("BudgetChanged", { ...BUDGET, left: 3 });
    hub.call("AccountChanged", { ...ME, tier: "premium" });
    expect(chat.budget.value?.left).toBe(3);
    expect(chat.me.value.tier).toBe("premium");
  });

  it("moves on from a room that is gone, and says why", async () => {
    chat.connection.open();
    await settled();
    hub.call("RoomGone", "r", "Grace has removed you from r.");
    await settled();
    expect(chat.rooms.active.value).toBe("other");
    expect(chat.rooms.list.value?.map((each) => each.id)).toEqual(["other"]);
    expect(shown()).toEqual([]);
    expect(chat.notice.value).toEqual({ text: "Grace has removed you from r.", tone: "news" });
    hub.call("RoomGone", "other", "Deleted.");
    expect(chat.rooms.active.value).toBeNull();
  });

  it("keeps read marks with the server, counts mentions, and begins what is unread with a line", async () => {
    hub.replies.Enter = () => ({ ...entered([room("r", 2), room("other", 7)]), reads: [{ roomId: "r", seq: 1, mentions: [] }, { roomId: "other", seq: 4, mentions: [5] }] });
    chat.connection.open();
    await settled();
    expect(chat.rooms.view("r").value.newAfter).toBe(1);
    chat.rooms.markRead("r");
    await vi.advanceTimersByTimeAsync(1_000);
    expect(hub.named("MarkRead")).toEqual([["r", 2]]);
    hub.call("Mentioned", message(8, { roomId: "other" }));
    expect(chat.rooms.marks.marks.value.other).toEqual({ seq: 4, mentions: [5, 8] });
    hub.call("ReadChanged", "other", 7);
    expect(chat.rooms.marks.marks.value.other).toEqual({ seq: 7, mentions: [8] });
  });

  it("draws the line where it was left when the page is hidden, and none when nothing came", async () => {
    chat.connection.open();
    await settled();
    chat.rooms.seen("r", false);
    chat.rooms.seen("r", true);
    expect(chat.rooms.view("r").value.newAfter).toBeNull();
    chat.rooms.seen("r", false);
    hub.call("ReceiveMessage", message(3));
    chat.rooms.markRead("r");
    chat.rooms.seen("r", true);
    expect(chat.rooms.view("r").value.newAfter).toBe(2);
  });

  it("draws no line above what I wrote or read on another device while the page was hidden", async () => {
    chat.connection.open();
    await settled();
    chat.rooms.seen("r", false);
    hub.call("ReceiveMessage", message(3));
    hub.call("ReadChanged", "r", 4);
    hub.call("ReceiveMessage", message(4));
    chat.rooms.markRead("r");
    chat.rooms.seen("r", true);
    expect(chat.rooms.view("r").value.newAfter).toBeNull();
    chat.rooms.seen("r", false);
    hub.call("ReadChanged", "r", 5);
    hub.call("ReceiveMessage", message(5));
    hub.call("ReceiveMessage", message(6));
    chat.rooms.seen("r", true);
    expect(chat.rooms.view("r").value.newAfter).toBe(5);
  });

  it("gives nothing of mine to the server when it takes us for somebody else", async () => {
    hub.replies.Enter = () => ({ ...entered([room("r", 2)]), me: { ...ME, id: "grace" } });
    chat.connection.open();
    chat.send("r", "mine", false);
    await settled();
    expect(strangers).toBe(1);
    expect(hub.named("OpenRoom")).toEqual([]);
    expect(hub.named("SendMessage")).toEqual([]);
  });

  it("keeps what is unsent when the session ends, and sends it once when the same person is back", async () => {
    chat.connection.open();
    await settled();
    hub.endSession();
    expect(turnedAway).toEqual([null]);
    chat.send("r", "typed at the last moment", false);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(hub.named("SendMessage")).toEqual([]);
    chat.connection.open();
    await settled();
    expect(hub.named("SendMessage")).toHaveLength(1);
    expect(shown()).toEqual(["m1", "m2", "m3"]);
  });

  it("shows what the server says when a room cannot be opened, and opens it on retry", async () => {
    const reply = hub.replies.OpenRoom!;
    hub.replies.OpenRoom = () => {
      throw new Error("HubError: Closed for today.");
    };
    chat.connection.open();
    await settled();
    expect(chat.rooms.view("r").value).toMatchObject({ status: "error", error: "Closed for today." });
    hub.replies.OpenRoom = reply;
    await chat.rooms.retry("r");
    expect(chat.rooms.view("r").value.status).toBe("ready");
  });

  it("shows no other room in the place of one that the address names and that is not mine", async () => {
    const visitor = new Chat({
      user: USER, openPort: hub.open, box: memoryBox(), schedule: (work) => work(), wantedRoom: () => "secret",
      turnedAway: () => undefined, somebodyElse: () => undefined, files: NO_FILES,
    });
    visitor.connection.open();
    await settled();
    expect([visitor.rooms.active.value, visitor.rooms.missing.value]).toEqual([null, "secret"]);
    expect(hub.named("OpenRoom")).toEqual([]);
    await visitor.rooms.show("r");
    expect([visitor.rooms.active.value, visitor.rooms.missing.value]).toEqual(["r", null]);
    await visitor.rooms.visit("nowhere");
    expect([visitor.rooms.active.value, visitor.rooms.missing.value]).toEqual([null, "nowhere"]);
    expect(hub.named("LeaveRoom")).toEqual([["r"]]);
  });

  it("waits for no answer to a message that was posted without one, and says why", async () => {
    chat.connection.open();
    await settled();
    hub.call("RoomsChanged", [{ ...room("r", 2), asks: true }]);
    chat.send("r", "hello", false);
    await settled();
    expect(chat.outbox.expected.value).toHaveLength(1);
    const { clientMessageId } = history.at(-1)!;
    hub.call("NotAnswered", message(3, { clientMessageId: clientMessageId! }), "Your 5,000 tokens of today are used up.");
    expect(chat.outbox.expected.value).toHaveLength(0);
    expect(chat.notice.value).toEqual({ text: "Your message was posted, and is not answered: Your 5,000 tokens of today are used up.", tone: "news" });
  });

  it("changes a room as its owner says, at once", async () => {
    const changed = { ...room("r", 2), name: "Plans", isArchived: true, retentionDays: 7 };
    for (const method of ["ChangeRoom", "ArchiveRoom", "RetainMessages"]) hub.replies[method] = () => changed;
    chat.connection.open();
    await settled();
    await chat.rooms.change("r", "Plans", "For all");
    await chat.rooms.archive("r", true);
    await chat.rooms.retain("r", 7);
    await chat.rooms.remove("r");
    expect(hub.calls.slice(-4)).toEqual([["ChangeRoom", "r", "Plans", "For all"], ["ArchiveRoom", "r", true], ["RetainMessages", "r", 7], ["DeleteRoom", "r"]]);
    expect(chat.rooms.room("r")).toEqual(changed);
  });

  it("leaves a room when it shows another", async () => {
    chat.connection.open();
    await settled();
    await chat.rooms.show("other");
    expect(hub.named("LeaveRoom")).toEqual([["r"]]);
    expect(chat.rooms.active.value).toBe("other");
  });

  it("loads earlier messages above, without doubles", async () => {
    history = [message(7), message(8)];
    hub.replies.OpenRoom = () => joined(history, { hasMore: true });
    hub.replies.LoadEarlier = () => ({ messages: [message(5), message(6), message(7)], hasMore: false });
    chat.connection.open();
    await settled();
    await chat.rooms.loadEarlier("r");
    expect(hub.named("LoadEarlier")).toEqual([["r", 7]]);
    expect(shown()).toEqual(["m5", "m6", "m7", "m8"]);
    expect(chat.rooms.view("r").value.hasMore).toBe(false);
  });

  it("stops, decides and goes on, and puts a failure where it can be read", async () => {
    history.push(answer(3, "running"));
    chat.connection.open();
    await settled();
    await chat.stop("m3");
    await chat.decide("m3", "a", true);
    expect([...hub.named("StopRun"), ...hub.named("AnswerRun")]).toEqual([["run3"], ["run3", "a", true]]);
    hub.replies.AnswerRun = () => {
      throw new Error("HubError: Already answered by Grace.");
    };
    await chat.decide("m3", "a", true);
    expect(chat.notice.value?.text).toBe("The assistant did not hear it: Already answered by Grace.");
    hub.replies.GoOn = () => {
      throw new Error("HubError: The question does not exist any more.");
    };
    await chat.goOn("m3");
    expect(chat.notice.value).toEqual({ text: "The answer could not go on: The question does not exist any more.", tone: "problem" });
  });
});

import { describe, expect, it } from "vitest";
import { attached, type Unsent } from "../src/messages/outbox";
import { EMOJI, NAMES, whoReacted } from "../src/messages/reactions";
import { quoteOf, Replies } from "../src/messages/replies";
import { FRESH_VIEW, heardUntil, refreshed, withoutCleared } from "../src/rooms/room-view";
import { message } from "./fake-port";

describe("quotes", () => {
  const reply = message(2, { quote: quoteOf(message(1)) });
  const view = { ...FRESH_VIEW, messages: [message(1), reply, message(3)] };
  const quoted = (messages: readonly { quote?: unknown }[]) => messages.map((each) => each.quote ?? null);
  const gone = { seq: 1, id: "", authorId: "", authorName: "", text: "", isDeleted: true };

  it("are the beginning of a message, on one line", () => {
    expect(quoteOf(message(1, { text: " a\n b " }))).toEqual({ seq: 1, id: "m1", authorId: "ada", authorName: "Ada", text: "a b", isDeleted: false });
    expect(quoteOf(message(1, { text: "x".repeat(300) })).text).toHaveLength(200);
    expect(quoteOf(message(1, { text: "", files: [{ id: "f", name: "a.png", type: "image/png", size: 1 }] })).text).toBe("a.png");
  });

  it("follow what they quote, also when that is not shown here", () => {
    expect(refreshed(view, [message(1, { text: "other" })]).messages[1]!.quote?.text).toBe("other");
    expect(quoted(refreshed({ ...view, messages: [reply] }, [message(1, { text: "", isDeleted: true })]).messages)).toEqual([gone]);
    expect(refreshed(view, [message(3, { text: "other" })]).messages[1]).toBe(reply);
  });

  it("show nothing of what was cleared", () => {
    expect(quoted(withoutCleared(view, 2).messages)).toEqual([gone, null]);
    expect(withoutCleared(view, 1)).toBe(view);
  });
});

describe("Replies", () => {
  it("keep what is replied to until it is sent, in its present form", () => {
    const replies = new Replies();
    replies.begin(message(1));
    replies.changed(message(1, { text: "other" }));
    expect(replies.rooms.value.r?.text).toBe("other");
    expect(replies.take("r")?.id).toBe("m1");
    expect(replies.take("r")).toBeNull();
    replies.begin(message(1));
    replies.changed(message(1, { isDeleted: true }));
    expect(replies.take("r")).toBeNull();
  });

  it("go with the message to the server", () => {
    const unsent: Unsent = { clientMessageId: "c", roomId: "r", text: "x", ask: false, createdAt: "", state: "waiting", error: null };
    const files = [{ id: "f", name: "a", type: "b", size: 1 }];
    expect(attached(unsent)).toEqual([]);
    expect(attached({ ...unsent, files })).toEqual([["f"]]);
    expect(attached({ ...unsent, quote: quoteOf(message(1)) })).toEqual([[], "m1"]);
  });
});

describe("reactions", () => {
  it("have a name each", () => {
    expect(Object.keys(NAMES)).toEqual([...EMOJI]);
  });

  it("say who reacted", () => {
    const people = ["ada", "bob", "eve"].map((id) => ({ id, name: id }));
    expect(whoReacted({ emoji: "👍", people }, "ada")).toBe("bob, eve and you reacted with thumbs up");
    expect(whoReacted({ emoji: "👍", people: people.slice(0, 1) }, "x")).toBe("ada reacted with thumbs up");
    expect(whoReacted({ emoji: "👍", people: Array.from({ length: 30 }, (_, id) => ({ id: `${id}`, name: `${id}` })) }, "0")).toContain("9 more and you");
  });

  it("count among what was heard of a room", () => {
    expect(heardUntil([message(1, { reactedAt: "2026-01-01T11:00:00Z" })])).toBe("2026-01-01T11:00:00Z");
  });
});

import { describe, expect, it } from "vitest";
import type { Message, Person } from "../src/connection/contract";
import { withoutPerson } from "../src/rooms/removed";

const ADA: Person = { id: "ada", name: "Ada", kind: "person" };
const BOB: Person = { id: "bob", name: "Bob", kind: "person" };
const GONE = { ...ADA, name: "Removed person" };

function said(id: string, author: Person, more: Partial<Message> = {}): Message {
  return { id, roomId: "r", seq: 1, kind: "person", author, text: id, sentAt: "2026-11-29T09:00:00Z", clientMessageId: null, answer: null, ...more };
}

const quote = { seq: 1, id: "hello", authorId: "ada", authorName: "Ada", text: "hello", isDeleted: false };
const reactions = [{ emoji: "👍", people: [{ id: "ada", name: "Ada" }, { id: "bob", name: "Bob" }] }, { emoji: "🎉", people: [{ id: "ada", name: "Ada" }] }];
const ROOM = [said("hello", ADA, { reactions: [{ emoji: "👋", people: [{ id: "bob", name: "Bob" }] }] }), said("reply", BOB, { quote, reactions }), said("other", BOB)];

describe("what was said by somebody whose account is removed", () => {
  it("stays without the name", () => {
    const [hello, reply, other] = withoutPerson(ROOM, GONE, false);
    expect([hello?.author.name, hello?.text, hello?.reactions?.length]).toEqual(["Removed person", "hello", 1]);
    expect([reply?.author.name, reply?.quote?.authorName, reply?.quote?.text]).toEqual(["Bob", "Removed person", "hello"]);
    expect(reply?.reactions?.[0]?.people.map((each) => each.name)).toEqual(["Removed person", "Bob"]);
    expect(other).toEqual(ROOM[2]);
  });

  it("or goes, with the reactions", () => {
    const [hello, reply] = withoutPerson(ROOM, GONE, true);
    expect([hello?.isDeleted, hello?.text, hello?.reactions]).toEqual([true, "", []]);
    expect([reply?.quote?.isDeleted, reply?.quote?.text, reply?.text]).toEqual([true, "", "reply"]);
    expect(reply?.reactions).toEqual([{ emoji: "👍", people: [{ id: "bob", name: "Bob" }] }]);
  });
});

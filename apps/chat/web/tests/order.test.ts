import { describe, expect, it } from "vitest";
import { typingLine } from "../src/messages/Typing";
import { byActivity } from "../src/rooms/order";
import { room } from "./fake-port";

describe("the list of rooms", () => {
  it("begins with where something was said last, and keeps the order of the silent ones", () => {
    const said = (id: string, lastAt: string) => ({ ...room(id), lastAt });
    const rooms = [room("a"), said("b", "2026-01-01T10:00:00Z"), room("c"), said("d", "2026-01-01T10:00:00.5Z")];
    expect(byActivity(rooms).map((each) => each.id)).toEqual(["d", "b", "a", "c"]);
    expect(byActivity(rooms)).toBe(byActivity(rooms));
  });
});

describe("who is writing", () => {
  it.each([
    [[], ""],
    [["Ada"], "Ada is writing…"],
    [["Ada", "Bob"], "Ada and Bob are writing…"],
    [["Ada", "Bob", "Eve"], "Several people are writing…"],
  ])("%j", (names, line) => expect(typingLine(names)).toBe(line));
});

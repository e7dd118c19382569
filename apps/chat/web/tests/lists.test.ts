import { describe, expect, it } from "vitest";
import type { Message } from "../src/connection/contract";
import { chunksOf } from "../src/messages/chunks";
import { answeredQuestions } from "../src/messages/use-waiting";
import { healSince, withMessage } from "../src/rooms/room-view";
import { answer, message } from "./fake-port";

describe("lists of messages", () => {
  it("keep their order, whatever comes when", () => {
    const note = message(0, { id: "welcome" });
    const made = [message(3), message(1), note, message(2), message(3)].reduce(withMessage, [] as readonly Message[]);
    expect(made.map((each) => each.id)).toEqual(["m1", "m2", "m3", "welcome"]);
  });

  it("show a note once, however often it is said", () => {
    const notes = ["a", "b"].map((id) => message(0, { id, text: "Welcome!" }));
    expect(notes.reduce(withMessage, [message(1)] as readonly Message[]).map((each) => each.id)).toEqual(["m1", "b"]);
  });

  it("heal from before the oldest running answer", () => {
    expect(healSince([])).toBeNull();
    expect(healSince([message(1), message(2)])).toBe(2);
    expect(healSince([message(1), answer(2, "running"), answer(3, "completed"), message(4)])).toBe(1);
  });

  it("are cut at the same places when more come at either end", () => {
    const all = Array.from({ length: 40 }, (_, index) => message(index + 1));
    const keys = chunksOf(all.slice(12)).map((chunk) => chunk.key);
    expect(keys).toEqual([1, 2, 3, 4]);
    expect(chunksOf(all).map((chunk) => chunk.key)).toEqual([0, ...keys]);
  });

  it("know which questions have their answer's row", () => {
    expect(answeredQuestions([message(1, { clientMessageId: "c" }), answer(2, "running"), message(3, { clientMessageId: "d" })])).toEqual(new Set(["c"]));
  });
});

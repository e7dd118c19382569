import { describe, expect, it } from "vitest";
import { askedElsewhere } from "../src/answers/asked";
import { answer, message } from "./fake-port";

const reply = (seq: number, question: number) => {
  const made = answer(seq, "completed");
  return { ...made, answer: { ...made.answer!, questionId: `m${question}` } };
};

describe("the question of an answer", () => {
  it("is shown only where the answer does not stand right below it", () => {
    const found = askedElsewhere([message(1), reply(2, 1), message(3), reply(4, 1), reply(5, 3)]);
    expect([...found].map(([id, question]) => [id, question.id])).toEqual([["m4", "m1"], ["m5", "m3"]]);
  });

  it("is not parted from its answer by a note, and may be out of sight", () => {
    expect(askedElsewhere([message(1), message(0), reply(2, 1), reply(9, 8)]).size).toBe(0);
  });

  it("is found once for all rows of a list", () => {
    const messages = [message(1), message(2)];
    expect(askedElsewhere(messages)).toBe(askedElsewhere(messages));
  });
});

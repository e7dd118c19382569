import { describe, expect, it } from "vitest";
import { askedElsewhere, ownerOf } from "../src/answers/asked";
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

describe("whose an answer is", () => {
  it("is told by its question, whoever let it be made anew", () => {
    const anew = { ...reply(2, 1), answer: { ...reply(2, 1).answer!, askedBy: { id: "bob", name: "Bob", kind: "person" as const } } };
    const question = message(1);
    expect(ownerOf([question, anew], anew)).toBe(question.author.id);
    expect(ownerOf([anew], anew)).toBe("bob");
    expect(ownerOf([question], question)).toBe(question.author.id);
  });
});

import { describe, expect, it } from "vitest";
import { AnswerText, countCodePoints } from "../src/answers/answer-text";

describe("AnswerText", () => {
  it("appends pieces that follow each other", () => {
    const text = new AnswerText();
    expect(text.apply({ offset: 0, text: "Hel" })).toBe("grew");
    expect(text.apply({ offset: 3, text: "lo" })).toBe("grew");
    expect(text.text).toBe("Hello");
  });

  it("counts offsets in code points, not in UTF-16 units", () => {
    const text = new AnswerText();
    text.apply({ offset: 0, text: "👋🏽 hi" });
    expect(countCodePoints("👋🏽 hi")).toBe(5);
    expect(text.apply({ offset: 5, text: "!" })).toBe("grew");
    expect(text.text).toBe("👋🏽 hi!");
  });

  it("ignores a piece it has, and takes only the new part of one it has in part", () => {
    const text = new AnswerText();
    text.apply({ offset: 0, text: "😀bc" });
    expect(text.apply({ offset: 1, text: "bc" })).toBe("known");
    expect(text.apply({ offset: 0, text: "😀bcd" })).toBe("grew");
    expect(text.text).toBe("😀bcd");
  });

  it("keeps pieces after a gap until a snapshot closes it", () => {
    const text = new AnswerText();
    text.apply({ offset: 0, text: "ab" });
    expect(text.apply({ offset: 4, text: "ef" })).toBe("gap");
    expect(text.apply({ offset: 6, text: "gh" })).toBe("gap");
    expect(text.text).toBe("ab");
    expect(text.snapshot("abcde")).toBe(true);
    expect(text.text).toBe("abcdefgh");
  });

  it("says so when a snapshot does not reach the waiting pieces", () => {
    const text = new AnswerText();
    text.apply({ offset: 5, text: "f" });
    expect(text.snapshot("abc")).toBe(false);
    expect(text.text).toBe("abc");
    expect(text.snapshot("abcde")).toBe(true);
    expect(text.text).toBe("abcdef");
  });

  it("does not go back when a snapshot is older than the pieces that came meanwhile", () => {
    const text = new AnswerText();
    text.apply({ offset: 0, text: "abcdef" });
    text.snapshot("abc");
    expect(text.text).toBe("abcdef");
  });

  it("takes the final text whatever came before", () => {
    const text = new AnswerText();
    text.apply({ offset: 9, text: "x" });
    text.finish("right");
    expect(text.text).toBe("right");
    expect(text.apply({ offset: 5, text: "!" })).toBe("grew");
  });
});

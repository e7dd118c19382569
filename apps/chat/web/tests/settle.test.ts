import { describe, expect, it } from "vitest";
import { settle } from "../src/answers/settle";

describe("settle", () => {
  it.each([
    ["half bold is closed", "a **bo", "a **bo**"],
    ["half of the closing mark too", "a **bold*", "a **bold**"],
    ["emphasis", "an *idea", "an *idea*"],
    ["bold in emphasis", "***both", "***both***"],
    ["code", "use `pip inst", "use `pip inst`"],
    ["stars in code are no marks", "`a ** b` and", "`a ** b` and"],
    ["stars between spaces are no marks", "2 ** 3", "2 ** 3"],
    ["what is closed stays", "a **bold** b", "a **bold** b"],
    ["what is closed at the end stays", "a **bold**", "a **bold**"],
    ["a lone list mark waits", "text\n-", "text\n"],
    ["a lone number waits", "text\n\n2.", "text\n\n"],
    ["half a fence waits", "text\n\n``", "text\n\n"],
    ["a table's first row waits", "text\n\n| a | b", "text\n\n"],
    ["a table that has begun goes on", "\n| a | b |\n|---|---|\n| 1", "\n| a | b |\n|---|---|\n| 1"],
    ["a link shows its words", "see [the doc](https://exa", "see the doc"],
    ["a link's words come before its address", "see [the d", "see the d"],
    ["half a reference shows its words", "see [the doc][1", "see the doc"],
    ["where a reference leads waits", "text\n\n[1]: https://exa", "text\n\n"],
    ["list marks are no emphasis", "* one\n* two", "* one\n* two"],
  ])("%s", (_name, growing, shown) => {
    expect(settle(growing)).toBe(shown);
  });

  it("touches nothing inside an open code fence but a half closing mark", () => {
    expect(settle("```py\na = **b\n| x")).toBe("```py\na = **b\n| x");
    expect(settle("```py\nx = 1\n``")).toBe("```py\nx = 1");
    expect(settle("```py\nx\n```\n\nthen **b")).toBe("```py\nx\n```\n\nthen **b**");
  });
});

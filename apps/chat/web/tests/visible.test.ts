import { describe, expect, it } from "vitest";
import { argumentsOf, textOf } from "../src/answers/arguments";
import { toolTitle } from "../src/answers/tools";
import { visible } from "../src/answers/visible";

describe("what cannot be seen", () => {
  it.each([
    ["exe\u202etxt", "exe\\u202Etxt"],
    ["\u202a\u202b\u202c\u202d\u2066\u2067\u2068\u2069\u200e\u200f\u061c", "\\u202A\\u202B\\u202C\\u202D\\u2066\\u2067\\u2068\\u2069\\u200E\\u200F\\u061C"],
    ["a\u200bb\u00adc\u2060d\ufeff", "a\\u200Bb\\u00ADc\\u2060d\\uFEFF"],
    ["a\0b\x1b[0m\x7f", "a\\u0000b\\u001B[0m\\u007F"],
    ["a\u2028b\u2029", "a\\u2028b\\u2029"],
    ["pay\u{e0041}\u{e007f}", "pay\\u{E0041}\\u{E007F}"],
    ["\u3164\u2800\ue000\ud800", "\\u3164\\u2800\\uE000\\uD800"],
    ["Ad\u200dmin\u200c", "Ad\\u200Dmin\\u200C"],
    ["Ada\ufe0f \u{1f469}\u200d", "Ada\\uFE0F \u{1f469}\\u200D"],
    ["line\rover", "line\\u000Dover"],
  ])("is shown as an escape: %j", (text, shown) => {
    expect(visible(text)).toBe(shown);
  });

  it.each([
    "Plain\n\ttext\r\nof “lines” — ñ 漢字",
    "שלום, عالم",
    "می\u200cخواهم",
    "क\u094d\u200dष",
    "\u{1f469}\u{1f3fd}\u200d\u{1f4bb} \u2764\ufe0f\u200d\u{1f525} 1\ufe0f\u20e3 \u{1f1e9}\u{1f1ea}",
  ])("stays where it is a part of letters and emoji: %j", (text) => {
    expect(visible(text)).toBe(text);
  });

  it("is in no name and no argument of a tool", () => {
    expect(argumentsOf({ "to\u202e": "Ada\u202e", list: ["a\u2066"], deep: { "k\u200e": "v\u202d" } })).toEqual([
      ["to\\u202E", "Ada\\u202E"],
      ["list", "a\\u2066"],
      ["deep", '{\n  "k\\u200E": "v\\u202D"\n}'],
    ]);
    expect(textOf("\u202eall")).toBe("\\u202Eall");
    expect(toolTitle("Read\u202e", "notes")).toBe("Read\\u202E");
    expect(toolTitle("read\u202e", null)).toBe("read\\u202E");
  });
});

import { describe, expect, it } from "vitest";
import { plainText } from "../src/answers/plain";

describe("a message that is only named", () => {
  it.each([
    ["a **bold** and _slanted_ `co*de*` ~~gone~~", "a bold and slanted co*de* gone"],
    ["[the docs](https://example.com), ![pic](x.png) and https://x.org", "the docs, pic and https://x.org"],
    ["# Head\n\n> quoted\n\n- [x] one\n- two\n\n3. three", "Head quoted one two three"],
    ["Run:\n```python\nprint('**x**')\n```\nthen", "Run: print('**x**') then"],
    ["| A | B |\n|---|---|\n| x | **y** |", "A B x y"],
    ["2 * 3, \\*no\\*, <b>x</b> &amp; $x_1$", "2 * 3, *no*, <b>x</b> & $x_1$"],
  ])("is without its marks: %s", (text, plain) => {
    expect(plainText(text)).toBe(plain);
  });
});

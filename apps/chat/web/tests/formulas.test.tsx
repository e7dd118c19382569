import { renderToStaticMarkup } from "react-dom/server";
import { describe, expect, it } from "vitest";
import { lex } from "../src/answers/dialect";
import { Markdown } from "../src/answers/Markdown";

interface Found {
  type: string;
  text: string;
  block: boolean;
  tokens?: Found[];
}

const found = (text: string) => {
  const all = (tokens: readonly Found[]): Found[] => tokens.flatMap((token) => (token.type.startsWith("formula") ? [token] : all(token.tokens ?? [])));
  return all(lex(text, false) as unknown as Found[]).map(({ text, block }) => [text, block]);
};

describe("formulas", () => {
  it.each<[string, [string, boolean][]]>([
    ["so \\(a_1 * b_1\\) holds", [["a_1 * b_1", false]]],
    ["\\[\na = b\n\\]", [["a = b", true]]],
    ["$$\n\\frac{a}{b}\n$$\nand on", [["\\frac{a}{b}", true]]],
    ["in line $$x^2$$ too", [["x^2", true]]],
    ["with $x_1$, $y$ and $\\$5$.", [["x_1", false], ["y", false], ["\\$5", false]]],
    ["**bold $x$**", [["x", false]]],
  ])("are found in %j", (text, formulas) => expect(found(text)).toEqual(formulas));

  it.each(["it costs $5 and $6", "$HOME:$PATH", "$5-$6", "`$x$`", "```\n$x$\n$$y$$\n```", "$ x $", "a $ b", "\\[1\\]", "US$5, US$6", "$$", "$ `a$` $"])("are none: %j", (text) =>
    expect(found(text)).toEqual([]),
  );

  it("are shown as they are written until they can be drawn", () => {
    expect(renderToStaticMarkup(<Markdown text={"so $x^2$"} />)).toContain("so $x^2$");
  });

  it("are looked for quickly", () => {
    const begin = process.cpuUsage(); // not by the clock, which also counts what else the machine does
    for (const text of ["$a ".repeat(3_000), "$$a ".repeat(3_000), "\\(".repeat(3_000), "\\[ ".repeat(3_000), "$".repeat(8_000)]) lex(text, false);
    expect(process.cpuUsage(begin).user / 1000).toBeLessThan(5_000);
  });
});

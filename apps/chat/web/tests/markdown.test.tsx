import { renderToStaticMarkup } from "react-dom/server";
import { describe, expect, it } from "vitest";
import { decodeEntities, safeHref } from "../src/answers/links";
import { Markdown } from "../src/answers/Markdown";
import { splitMentions } from "../src/answers/mentions";

const html = (text: string, growing = false) => renderToStaticMarkup(<Markdown text={text} growing={growing} />);

describe("Markdown", () => {
  it.each([
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "text <b onclick='x()'>bold</b> <iframe src=//evil></iframe>",
    "<svg/onload=alert(1)>",
    "<details open ontoggle=alert(1)>",
    "<!-- --><style>body{display:none}</style>",
  ])("shows HTML as it is written: %s", (source) => {
    const tags = new Set([...html(source).matchAll(/<(\w+)/g)].map((found) => found[1]));
    expect([...tags].filter((tag) => !["div", "p"].includes(tag!))).toEqual([]);
    expect(html(source)).toContain("&lt;");
  });

  it.each([
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java\nscript:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](data:text/html,<script>alert(1)</script>)",
    "[x](vbscript:x)",
    "[x](file:///etc/passwd)",
    "[x](/relative)",
    "<javascript:alert(1)>",
  ])("makes no link of %s", (source) => {
    expect(html(source)).not.toContain("<a");
  });

  it("opens links in a new tab without telling where from", () => {
    expect(html("[a](https://example.com/?q=1&r=2)")).toContain(
      '<a href="https://example.com/?q=1&amp;r=2" target="_blank" rel="noopener noreferrer nofollow">a</a>',
    );
    expect(html("see https://example.com/x now")).toContain('href="https://example.com/x"');
  });

  it("loads no images: they become links", () => {
    const made = html("![cat](https://evil.example/track.png)");
    expect(made).not.toContain("<img");
    expect(made).toContain(">cat</a>");
  });

  it("draws the usual things", () => {
    expect(html("**b** *i* ~~d~~ `c`")).toContain("<p><strong>b</strong> <em>i</em> <del>d</del> <code>c</code></p>");
    expect(html("1. a\n2. b")).toContain("<ol start=\"1\"><li>a</li><li>b</li></ol>");
    expect(html("# T")).toContain("<h2>T</h2>");
    expect(html("### A\n# B\n#### C")).toContain("<h2>A</h2><h2>B</h2><h3>C</h3>");
    expect(html("|a|b|\n|-|:-:|\n|1|2|")).toContain('<td style="text-align:center">2</td>');
    expect(html("- [x] done")).toContain('aria-label="Done"');
    expect(html("a &amp; b &lt;c&gt; `&amp;`")).toContain("<p>a &amp; b &lt;c&gt; <code>&amp;amp;</code></p>");
  });

  it("shows an open code fence as code from its first line", () => {
    const made = html("Look:\n\n```python\nprint('**no**')\nx = 1", true);
    expect(made).toContain("<pre");
    expect(made).toContain("python");
    expect(made).toContain("print(&#x27;**no**&#x27;)\nx = 1");
    expect(made).not.toContain("```");
  });
});

describe("Markdown as people and models write it", () => {
  it("keeps the line breaks of HTML that is pasted", () => {
    expect(html("<div>\n  <b>x</b>\n</div>")).toMatch(/<p class="[^"]*written[^"]*">&lt;div&gt;\n  &lt;b&gt;x&lt;\/b&gt;\n&lt;\/div&gt;<\/p>/);
  });

  it.each([
    "so \\(a_1 * b_1 * c\\) holds",
    "so \\[ x^2 \\] holds",
    "\\[\nx^2\n- y\n\\]",
  ])("keeps a formula as it is written: %s", (source) => {
    expect(html(source)).toContain(source);
    expect(html(source)).not.toMatch(/<em>|<li>/);
  });

  it("still takes the backslash from what is only escaped", () => {
    expect(html("\\[1\\] and \\*so\\* on")).toContain("<p>[1] and *so* on</p>");
    expect(html("\\[words\\](https://a.example)")).not.toContain("\\[");
  });

  it("makes a sentence of what begins with a year, and a list of a list", () => {
    expect(html("2026. was a good year")).toContain("<p>2026. was a good year</p>");
    expect(html("1999. a\n2000. b")).toContain('<ol start="1999" style="padding-inline-start:6ch"><li>a</li><li>b</li></ol>');
  });

  it("lets every paragraph run in its own direction", () => {
    expect(html("שלום")).toContain('dir="auto"');
  });
});

describe("links and names", () => {
  it("lets through http, https and mail only", () => {
    expect(safeHref("https://a.example")).toBe("https://a.example/");
    expect(safeHref("mailto:a@b.example")).toBe("mailto:a@b.example");
    expect(safeHref(" javascript:1")).toBeNull();
    expect(safeHref("//evil.example")).toBeNull();
  });

  it("decodes references without making tags", () => {
    expect(decodeEntities("&lt;b&gt; &#65;&#x42; &unknown; &#0;")).toBe("<b> AB &unknown; &#0;");
  });

  it("finds mentions of known names only, the longest first", () => {
    expect(splitMentions("hi @Ada Lovelace and @bob, a@ada.example", ["Ada", "Ada Lovelace", "Bob (x)"])).toEqual([
      "hi ", "@Ada Lovelace", " and @bob, a@ada.example",
    ]);
  });
});

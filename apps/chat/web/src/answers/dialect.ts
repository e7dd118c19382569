import { Lexer, Marked, type TokensList } from "marked";

/** What stands between the marks of a formula is one: no backslash is lost in it, and no other mark counts. */
const ROUND = /^\\\(([^\n]+?)\\\)/;
const SQUARE = /^\\\[([\s\S]+?)\\\](?![([])/;
const DOLLARS = /^\$\$((?:(?!\n\n|\$\$)[\s\S])+)\$\$/;
/** Much as in Pandoc, so that "$5 and $6" are amounts, and "$HOME:$PATH" is no formula. */
const DOLLAR = /^\$(?![\s$])((?:\\.|[^$\n\\`])*?[^\s$\\`])\$(?![\w$])/;
const SQUARE_BLOCK = /^ {0,3}\\\[((?:(?!\n\n)[\s\S])+?)\\\] *(?:\n+|$)/;
const DOLLARS_BLOCK = /^ {0,3}\$\$((?:(?!\n\n|\$\$)[\s\S])+)\$\$ *(?:\n+|$)/;

interface Formula {
  type: string;
  raw: string;
  /** The TeX without its marks. */
  text: string;
  /** On lines of its own. */
  block: boolean;
}

/** `\[1\]` only escapes brackets; a formula has space, a command or an operator in it. */
function formula(type: string, src: string, pattern: RegExp): Formula | null {
  const found = pattern.exec(src);
  const text = found?.[1]?.trim();
  if (!found || !text) return null;
  const sure = pattern !== SQUARE && pattern !== SQUARE_BLOCK;
  return sure || /^\s|[\\^_=+]/.test(found[1] ?? "") ? { type, raw: found[0], text, block: pattern !== ROUND && pattern !== DOLLAR } : null;
}

function first(type: string, src: string, patterns: readonly RegExp[]): Formula | undefined {
  for (const pattern of patterns) {
    const found = formula(type, src, pattern);
    if (found) return found;
  }
  return undefined;
}

const dialect = new Marked({
  extensions: [
    {
      name: "formula",
      level: "inline",
      start: (src) => src.search(/\\[([]|\$/),
      tokenizer: (src) => first("formula", src, [ROUND, SQUARE, DOLLARS, DOLLAR]),
    },
    {
      name: "formulas",
      level: "block",
      start: (src) => src.search(/^ {0,3}(?:\\\[|\$\$)/m),
      tokenizer: (src) => first("formulas", src, [SQUARE_BLOCK, DOLLARS_BLOCK]),
    },
  ],
  tokenizer: {
    list: (src) => (isYear(src) ? undefined : false),
  },
});

/** "2026. was a good year" is a sentence. A list that long goes on with the next number. */
function isYear(src: string): boolean {
  const found = /^ {0,3}(\d{4,9})[.)] /.exec(src);
  if (!found) return false;
  return !new RegExp(`\\n\\s*${Number(found[1]) + 1}[.)] `).test(src);
}

/** The tokens of a text in Markdown as it is written here. */
export function lex(text: string, breaks: boolean): TokensList {
  return new Lexer({ ...dialect.defaults, gfm: true, breaks }).lex(text);
}

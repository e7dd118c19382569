import type { Token, Tokens } from "marked";
import { lex } from "./dialect";
import { decodeEntities } from "./links";

/** Characters of a message that are read for a line about it. */
const READ = 400;

/** The beginning of a message on one line and without its marks, for where it is only named. */
export function plainText(text: string): string {
  return wordsOf(lex(text.slice(0, READ), true)).replace(/\s+/g, " ").trim();
}

function wordsOf(tokens: readonly Token[] | undefined): string {
  return (tokens ?? []).map(wordOf).join("");
}

function wordOf(token: Token): string {
  const known = token as Tokens.Generic;
  switch (token.type) {
    case "list":
      return (token as Tokens.List).items.map((item) => ` ${wordsOf(item.tokens)} `).join("");
    case "table":
      return [(token as Tokens.Table).header, ...(token as Tokens.Table).rows].flat().map((cell) => `${wordsOf(cell.tokens)} `).join("");
    case "paragraph":
    case "heading":
    case "blockquote":
      return `${wordsOf(token.tokens)} `;
    case "code":
      return `${String(known.text)} `;
    case "image":
      return (known.text as string) || (known.href as string);
    case "codespan":
    case "escape":
      return known.text as string;
    case "text":
      return known.tokens ? wordsOf(known.tokens) : decodeEntities(known.text as string);
    case "strong":
    case "em":
    case "del":
    case "link":
      return wordsOf(token.tokens);
    case "br":
    case "hr":
    case "space":
    case "def":
    case "checkbox":
      return " ";
    default:
      return token.raw;
  }
}

/**
 * Makes the text of an answer that still grows readable: half-written marks at its end are closed or held back,
 * so that nothing flickers while the rest is on its way. The finished text is never touched.
 */
export function settle(text: string): string {
  if (insideFence(text)) return text.replace(/\n[`~]{1,2}$/, "");
  const at = text.lastIndexOf("\n") + 1;
  const line = settleLine(text.slice(at), text.slice(0, at));
  return closeMarks(text.slice(0, at) + line);
}

/** Is there a code fence that was opened and not closed? */
function insideFence(text: string): boolean {
  let fence: string | null = null;
  for (const line of text.split("\n")) {
    const mark = /^ {0,3}(`{3,}|~{3,})(.*)$/.exec(line);
    if (!mark?.[1]) continue;
    if (fence === null) fence = mark[1];
    else if (mark[1].startsWith(fence) && mark[2]?.trim() === "") fence = null;
  }
  return fence !== null;
}

/** Holds back a last line that may still become anything: a lone list mark, half a fence, a table's first row, where a link leads. */
function settleLine(line: string, before: string): string {
  if (/^\s*(?:[-+*=#`~>]{1,6}|\d{1,3}[.)]?|[-*_]{2,})\s*$/.test(line)) return "";
  if (line.trimStart().startsWith("|") && !/\n[|\s:-]*-[|\s:-]*\n/.test(before.slice(-2000))) return "";
  if (/^ {0,3}\[[^\]]+\]:\s*\S*$/.test(line)) return "";
  return line.replace(/!?\[([^\]]*)\]\[[^\]]*$/, "$1").replace(/!?\[([^\]]*)$/, "$1").replace(/!?\[([^\]]*)\]\([^)\s]*$/, "$1");
}

/** Closes bold, emphasis, strike-through and code that are open in the last paragraph. */
function closeMarks(text: string): string {
  const at = text.lastIndexOf("\n\n") + 1;
  const body = text.slice(at).replace(/[*_~`]+$/, "");
  const plain = body.replace(/`[^`]*`/g, "");
  if (plain.includes("`")) return `${text.slice(0, at)}${body}\``;
  const words = plain.replace(/^\s*[*+-]\s/gm, "");
  const marks = ["~~", "__", "**"].filter((mark) => isOpen(words, mark));
  if (isOpen(words.replaceAll("**", ""), "*")) marks.unshift("*");
  return text.slice(0, at) + (marks.length > 0 ? body.trimEnd() + marks.join("") : body);
}

/** A mark counts where it touches a word: `2 ** 3` opens nothing. */
function isOpen(text: string, mark: string): boolean {
  const parts = text.split(mark);
  const touching = parts.slice(1).filter((after, index) => /^\S/.test(after) || /\S$/.test(parts[index] ?? ""));
  return touching.length % 2 === 1;
}

import type { Room } from "../connection/contract";

/** Fenced blocks, also one without an end, and code spans of Markdown; as the server sees them. */
const CODE = /^ {0,3}(`{3,}|~{3,})[^]*?(?:^ {0,3}\1|(?![^]))|(?<!`)(`+)(?!`)[^]*?(?<!`)\2(?!`)/gm;
const LETTER = "\\p{L}\\p{N}_";

/**
 * Why a message goes to the assistant, if it does: it was sent to it ("asked"), names it ("mention"), or stands in its
 * room, where it is posted even when it is not answered ("room").
 */
export type Asking = "asked" | "mention" | "room" | null;

/** As the server decides it: by `@ai` or `@` and the assistant's name, outside of code, with something to answer. */
export function askingOf({ text, ask }: { text: string; ask: boolean }, name: string | undefined, room: Pick<Room, "asks"> | undefined): Asking {
  if (ask) return "asked";
  if (mentions(text, name)) return "mention";
  return room?.asks ? "room" : null;
}

function mentions(text: string, name: string | undefined): boolean {
  if (!text.includes("@")) return false;
  const names = ["ai", ...(name ? [name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")] : [])].join("|");
  const mention = new RegExp(`(?<![${LETTER}@/.+-])@(?:${names})(?![${LETTER}@/-]|[.+][${LETTER}])`, "iu");
  const found = mention.exec(text.replace(CODE, (code) => " ".repeat(code.length)));
  if (!found) return false;
  const after = text.slice(found.index + found[0].length).replace(/^[ \t\n,:]+/, "");
  return text.slice(0, found.index).trim() !== "" || after.trim() !== "";
}

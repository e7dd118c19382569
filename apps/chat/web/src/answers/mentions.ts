import { createContext } from "react";

/** The names that stand out when somebody writes `@name`. */
export const MentionNames = createContext<readonly string[]>([]);

/** Splits text so that every second part is a mention of one of the names. */
export function splitMentions(text: string, names: readonly string[]): string[] {
  if (!text.includes("@") || names.length === 0) return [text];
  const known = names.toSorted((a, b) => b.length - a.length).map((name) => name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return text.split(new RegExp(`(?<![\\p{L}\\p{N}])(@(?:${known.join("|")}))(?![\\p{L}\\p{N}])`, "giu"));
}

import { assistantName } from "../answers/names";
import type { Assistant, Person } from "../connection/contract";
import { t } from "../language/language";

/** Somebody who can be put behind an `@`. `insert` is what is written. */
export interface Candidate {
  id: string;
  name: string;
  kind: Person["kind"];
  insert: string;
  hint: string;
}

/** The `@…` the caret stands behind, or null. */
export function mentionAt(text: string, caret: number): { from: number; query: string } | null {
  const found = /(?:^|[\s(])@([\p{L}\p{N}_.-]*)$/u.exec(text.slice(0, caret));
  return found ? { from: caret - (found[1]?.length ?? 0) - 1, query: found[1] ?? "" } : null;
}

/** Who fits a query: the assistant first, then people by name; at most six. */
export function candidatesFor(query: string, people: readonly Person[], assistant: Assistant | null): Candidate[] {
  const helper: Candidate[] = assistant
    ? [{ id: "assistant", name: assistantName(assistant.name), kind: "assistant", insert: "@ai ", hint: t("@ai · answers to everyone") }]
    : [];
  const others = people
    .filter((person) => person.kind === "person")
    .map((person): Candidate => ({ id: person.id, name: person.name, kind: "person", insert: `@${person.name} `, hint: "" }));
  const wanted = query.toLowerCase();
  const fits = (each: Candidate) =>
    `${each.name} ${each.insert.slice(1)}`.toLowerCase().split(/\s+/).some((word) => word.startsWith(wanted));
  return [...helper, ...others].filter(fits).slice(0, 6);
}

import { useEffect, useState } from "react";
import { useChat } from "../chat";
import type { Person } from "../connection/contract";
import { sentence } from "../connection/errors";

export type Found = { kind: "idle" } | { kind: "looking" } | { kind: "found"; query: string; people: readonly Person[] } | { kind: "failed"; error: string };

const PAUSE = 150;

/** People whose names begin with what is being written, asked for when the writing pauses. `again` asks once more. */
export function useFindPeople(text: string): { found: Found; again(): void } {
  const chat = useChat();
  const [found, setFound] = useState<Found>({ kind: "idle" });
  const [round, setRound] = useState(0);
  const query = text.trim();
  useEffect(() => {
    if (query === "") return setFound({ kind: "idle" });
    let current = true;
    const tell = (next: Found) => current && setFound(next);
    setFound((before) => (before.kind === "found" ? before : { kind: "looking" }));
    const timer = setTimeout(() => {
      chat.connection
        .invoke<Person[]>("FindPeople", query)
        .then((people) => tell({ kind: "found", query, people }), (error: unknown) => tell({ kind: "failed", error: sentence(error) }));
    }, PAUSE);
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [chat, query, round]);
  return { found: fitting(found, query), again: () => setRound(round + 1) };
}

/** What was found for earlier letters, for the present ones: nobody may be added who is not meant any more. */
export function fitting(found: Found, query: string): Found {
  if (found.kind !== "found" || found.query === query) return found;
  const people = found.people.filter((person) => person.name.toLowerCase().startsWith(query.toLowerCase()));
  return people.length > 0 ? { ...found, people } : { kind: "looking" };
}

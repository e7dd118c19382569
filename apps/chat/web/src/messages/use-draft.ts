import { useEffect, useState } from "react";
import { useChat } from "../chat";
import { useValue } from "../ui/store";
import type { Draft } from "./drafts";

/** The draft of a room, kept with every key. A message taken back comes before what is there. */
export function useDraft(roomId: string): [Draft, (draft: Draft) => void] {
  const chat = useChat();
  const [draft, setDraft] = useState(() => chat.drafts.read(roomId));
  const back = useValue(chat.handBack);
  const write = (next: Draft) => {
    setDraft(next);
    chat.drafts.write(roomId, next);
  };
  useEffect(() => {
    if (back?.roomId !== roomId) return;
    chat.handBack.set(null);
    chat.uploads.putBack(roomId, back.files ?? []);
    if (back.quote) chat.replies.set(roomId, back.quote);
    setDraft((before) => {
      const next = { text: before.text ? `${back.text}\n${before.text}` : back.text, ask: back.ask };
      chat.drafts.write(roomId, next);
      return next;
    });
  }, [chat, back, roomId]);
  return [draft, write];
}

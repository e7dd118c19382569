import { useCallback, useEffect, useState } from "react";
import { useChat } from "../chat";
import { isRunning } from "../connection/contract";
import { useValue } from "../ui/store";

interface Running {
  /** The answer to a question of mine that would be stopped now. */
  id: string | null;
  stopping: boolean;
  stop(): void;
}

/** My running answer of the room, and the way to stop it; Escape does it too. */
export function useRunning(roomId: string): Running {
  const chat = useChat();
  const me = useValue(chat.me);
  const { messages } = useValue(chat.rooms.view(roomId));
  const id = messages.find((message) => isRunning(message.answer) && message.answer?.askedBy.id === me.id)?.id ?? null;
  const [stopped, setStopped] = useState<string | null>(null);
  const stop = useCallback(() => {
    if (!id) return;
    setStopped(id);
    void chat.stop(id).finally(() => setStopped(null));
  }, [chat, id]);
  useEffect(() => {
    if (!id) return;
    const escape = (event: KeyboardEvent) => {
      if (event.key === "Escape" && !event.defaultPrevented && !document.querySelector("dialog[open]")) stop();
    };
    window.addEventListener("keydown", escape);
    return () => window.removeEventListener("keydown", escape);
  }, [id, stop]);
  return { id, stopping: id !== null && stopped === id, stop };
}

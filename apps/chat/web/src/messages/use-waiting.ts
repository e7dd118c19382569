import { useMemo } from "react";
import { useChat } from "../chat";
import type { Me, Message, Person } from "../connection/contract";
import { useValue } from "../ui/store";
import type { Expected, Unsent } from "./outbox";

interface Waiting {
  me: Me;
  assistant: Person | null;
  unsent: readonly Unsent[];
  expected: readonly Expected[];
}

/** What stands below the messages of a room because the server does not have it yet. */
export function useWaiting(roomId: string, messages: readonly Message[]): Waiting {
  const chat = useChat();
  const me = useValue(chat.me);
  const assistant = useValue(chat.assistant);
  const entries = useValue(chat.outbox.entries);
  const expected = useValue(chat.outbox.expected);
  return useMemo(() => {
    const answered = answeredQuestions(messages);
    return {
      me,
      assistant: assistant && { id: "assistant", name: assistant.name, kind: "assistant" },
      unsent: entries.filter((entry) => entry.roomId === roomId),
      expected: expected.filter((each) => each.roomId === roomId && !answered.has(each.clientMessageId)),
    };
  }, [roomId, messages, me, assistant, entries, expected]);
}

/** The client's ids of the questions that have an answer among the messages. */
export function answeredQuestions(messages: readonly Message[]): Set<string> {
  const questions = new Set(messages.map((message) => message.answer?.questionId));
  const ids = messages.filter((message) => message.clientMessageId && questions.has(message.id));
  return new Set(ids.map((message) => message.clientMessageId ?? ""));
}

/** The types of the chat hub as they travel. Times are ISO 8601 in UTC. */

export interface Person {
  id: string;
  name: string;
  kind: "person" | "assistant" | "system";
  /** Open tabs in the room this person was listed for. */
  devices: number;
}

export interface Room {
  id: string;
  name: string;
  topic: string;
  people: number;
  lastSeq: number;
}

export type AnswerState = "queued" | "thinking" | "answering" | "completed" | "stopped" | "failed" | "interrupted";

export interface Answer {
  state: AnswerState;
  /** Questions before this one while it is queued. */
  place: number;
  askedBy: Person;
  questionId: string;
  startedAt: string | null;
  endedAt: string | null;
  error?: string | null;
  /** Seconds, at the moment of sending. */
  elapsed: number;
}

export interface Message {
  id: string;
  roomId: string;
  seq: number;
  kind: "person" | "assistant" | "system";
  author: Person;
  text: string;
  sentAt: string;
  clientMessageId?: string | null;
  answer?: Answer | null;
}

export interface Assistant {
  name: string;
  model: string;
  state: "starting" | "ready" | "failed";
  detail: string | null;
}

export interface Entered {
  me: Person;
  rooms: Room[];
  assistant: Assistant;
  /** `instance` changes when the server starts anew: its history is gone then. */
  server: { version: string; instance?: string | null };
}

export interface Joined {
  room: Room;
  people: Person[];
  messages: Message[];
  hasMore: boolean;
  reset: boolean;
}

export interface Earlier {
  messages: Message[];
  hasMore: boolean;
}

/** What the server calls on us, with its arguments. */
export interface ServerCalls {
  ReceiveMessage: [message: Message];
  PeopleChanged: [roomId: string, people: Person[]];
  RoomsChanged: [rooms: Room[]];
  TypingChanged: [roomId: string, names: string[]];
  AssistantChanged: [assistant: Assistant];
  /** `offset` counts Unicode code points, as Python's `len` does. */
  AnswerDelta: [roomId: string, messageId: string, offset: number, text: string];
  AnswerStatus: [roomId: string, messageId: string, answer: Answer];
  AnswerEnded: [roomId: string, messageId: string, text: string, answer: Answer];
}

export const SERVER_CALLS: readonly (keyof ServerCalls)[] = [
  "ReceiveMessage",
  "PeopleChanged",
  "RoomsChanged",
  "TypingChanged",
  "AssistantChanged",
  "AnswerDelta",
  "AnswerStatus",
  "AnswerEnded",
];

export function isRunning(answer: Answer | null | undefined): boolean {
  return answer?.state === "queued" || answer?.state === "thinking" || answer?.state === "answering";
}

/** The types of the chat hub as they travel. Times are ISO 8601 in UTC. */

export interface Person {
  id: string;
  name: string;
  kind: "person" | "assistant" | "system";
  /** Open tabs in the room this person was listed for. */
  devices: number;
}

export type Role = "admin" | "member" | "guest";
export type Tier = "guest" | "free" | "premium";

/** The person whose page this is. */
export interface Me extends Person {
  role: Role;
  tier: Tier;
}

export interface RoomMember {
  id: string;
  name: string;
  isOwner: boolean;
}

export interface Room {
  id: string;
  name: string;
  topic: string;
  people: number;
  lastSeq: number;
  isPrivate: boolean;
  /** Those who can see a private room; empty for rooms that everybody sees. */
  members: RoomMember[];
}

/** What a person may ask of the assistant. A limit of null is no limit. */
export interface Budget {
  tokensPerDay: number | null;
  left: number | null;
  resetsAt: string;
  questionsAtOnce: number | null;
}

export type Model = "standard" | "premium";

export type AnswerState = "queued" | "thinking" | "answering" | "completed" | "stopped" | "failed" | "interrupted" | "limited";

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
  model: Model;
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
  /** Null: premium questions go to the same model, which may answer at greater length. */
  premiumModel: string | null;
}

export interface Entered {
  me: Me;
  rooms: Room[];
  assistant: Assistant;
  budget: Budget;
  /** `instance` changes when the server starts anew: answers that ran then are interrupted. */
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
  BudgetChanged: [budget: Budget];
  /** My role or tier is another one now. */
  AccountChanged: [me: Me];
  /** I am no member any more, or the room was deleted; `sentence` says which. */
  RoomGone: [roomId: string, sentence: string];
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
  "BudgetChanged",
  "AccountChanged",
  "RoomGone",
];

export function isRunning(answer: Answer | null | undefined): boolean {
  return answer?.state === "queued" || answer?.state === "thinking" || answer?.state === "answering";
}

/** The types of the chat hub as they travel; answers travel as runs besides. Times are ISO 8601 in UTC. */

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

export type AnswerState = "running" | "completed" | "stopped" | "failed" | "interrupted" | "limited";

export interface Answer {
  state: AnswerState;
  askedBy: Person;
  questionId: string;
  /** What to attach to while it is running. */
  runId: string | null;
  startedAt: string | null;
  endedAt: string | null;
  error?: string | null;
  /** Seconds, at the moment of sending. */
  elapsed: number;
  model: Model;
  /** What the model thought on its way. */
  reasoning: string;
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
  /** A message has another form: an answer has ended, or goes on after its end. */
  MessageChanged: [message: Message];
  /** What was said before that number is gone for good. */
  HistoryCleared: [roomId: string, beforeSeq: number];
  PeopleChanged: [roomId: string, people: Person[]];
  RoomsChanged: [rooms: Room[]];
  TypingChanged: [roomId: string, names: string[]];
  AssistantChanged: [assistant: Assistant];
  BudgetChanged: [budget: Budget];
  /** My role or tier is another one now. */
  AccountChanged: [me: Me];
  /** I am no member any more, or the room was deleted; `sentence` says which. */
  RoomGone: [roomId: string, sentence: string];
}

export const SERVER_CALLS: readonly (keyof ServerCalls)[] = [
  "ReceiveMessage",
  "MessageChanged",
  "HistoryCleared",
  "PeopleChanged",
  "RoomsChanged",
  "TypingChanged",
  "AssistantChanged",
  "BudgetChanged",
  "AccountChanged",
  "RoomGone",
];

export function isRunning(answer: Answer | null | undefined): boolean {
  return answer?.state === "running";
}

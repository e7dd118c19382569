/** The types of the chat hub as they travel; answers travel as runs besides. Times are ISO 8601 in UTC. */

export interface Person {
  id: string;
  name: string;
  kind: "person" | "assistant" | "system";
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
  /** Those that are connected, in whatever room. */
  devices?: number;
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
  /** A plain message is a question to the assistant here. */
  asks?: boolean;
  /** When something was said last; of a silent room that a person made, when it was made. */
  lastAt?: string | null;
  /** A private conversation of mine with the assistant. */
  isConversation?: boolean;
  /** A conversation of two people; here it has the name of the other one. When they are gone, it is archived. */
  isPair?: boolean;
  /** Ids of those who may change, archive and delete it; administrators may too. */
  owners?: string[];
  /** It can be read, and nothing new can be written. */
  isArchived?: boolean;
  /** Its messages are deleted after so many days, or after those of the server if these are fewer. */
  retentionDays?: number | null;
  /** The id of the model that was chosen for it. Whoever may not use that one asks the first they may. */
  model?: string | null;
}

/** What a person may ask of the assistant. A limit of null is no limit. */
export interface Budget {
  tokensPerDay: number | null;
  left: number | null;
  resetsAt: string;
  questionsAtOnce: number | null;
  /** What today's answers have cost, in the assistant's currency; null where no model has a price. */
  cost?: number | null;
}

/** Who may use a model. Administrators may use every one. */
export type Access = Tier | "admin";

/** A model that can be chosen. Prices are for a million tokens. */
export interface Model {
  id: string;
  name: string;
  tier: Access;
  note?: string | null;
  /** Its window, if it is known. */
  contextTokens?: number | null;
  inputPrice?: number | null;
  outputPrice?: number | null;
  takesImages?: boolean;
  takesTools?: boolean;
}

/** As the AI SDK names them; the last three are ends. */
export type ToolState = "input-available" | "approval-requested" | "approval-responded" | "output-available" | "output-denied" | "output-error";

/** A tool that was used for an answer. A running answer has the same as parts of its run, but for `at`. */
export interface ToolUse {
  toolCallId: string;
  name: string;
  state: ToolState;
  /** The arguments: an object or, when they are not valid, what the model wrote. */
  input?: unknown;
  output?: string | null;
  /** Why it failed. */
  errorText?: string | null;
  /** It took too long, or nobody decided. */
  timedOut?: boolean;
  title?: string | null;
  /** The MCP server that has it. */
  server?: string | null;
  /** Who agreed or declined. */
  decidedBy?: string | null;
  /** Characters of the text before it, as code points. */
  at?: number;
}

/** A tool that models may use. `asks`: people are asked before. */
export interface ToolOffer {
  title: string;
  server: string | null;
  asks: boolean;
  tier: Access;
}

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
  /** The id of the model. */
  model: string;
  /** What the model thought on its way. */
  reasoning: string;
  /** Of a completed answer: a limit of length cut it, and `GoOn` continues it. */
  canGoOn?: boolean;
  /** What it has cost, once it has ended; money only if its model has a price. */
  tokens?: number | null;
  /** How many of its tokens were what the model was told. */
  told?: number | null;
  cost?: number | null;
  /** The tools that were used, in their order. */
  tools?: ToolUse[];
}

/** A file of a message. */
export interface FileInfo {
  id: string;
  name: string;
  type: string;
  /** In bytes. */
  size: number;
  /** Of an image that is shown, in pixels. */
  width?: number | null;
  height?: number | null;
}

/** What a message replies to, as it is now. Of a deleted one only the number is left. */
export interface Quote {
  seq: number;
  id: string;
  authorId: string;
  authorName: string;
  text: string;
  isDeleted: boolean;
}

/** One emoji of a message, with those who have chosen it. */
export interface Reaction {
  emoji: string;
  people: readonly { id: string; name: string }[];
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
  editedAt?: string | null;
  /** Only its place is left: it has no text and no answer. */
  isDeleted?: boolean;
  /** Of an answer: how often it was made, with the present version; `AnswerVersion` gives the earlier ones. */
  versions?: number;
  files?: readonly FileInfo[];
  quote?: Quote | null;
  reactions?: readonly Reaction[];
  reactedAt?: string | null;
}

/** An earlier version of an answer, counted from 1. */
export interface Version {
  messageId: string;
  number: number;
  text: string;
  answer: Answer;
}

export interface Assistant {
  name: string;
  /** The name of the usual model. */
  model: string;
  state: "starting" | "ready" | "failed";
  detail: string | null;
  /** Those that can be chosen, the usual one first. */
  models: Model[];
  /** Of their prices: three letters. */
  currency: string;
  /** What models that take tools may use. */
  tools?: ToolOffer[];
}

/** How far I have read a room: up to the message `seq`; 0 is nothing. `mentions` are later messages that mention me. */
export interface Read {
  roomId: string;
  seq: number;
  mentions: number[];
}

export interface Entered {
  me: Me;
  rooms: Room[];
  reads: Read[];
  assistant: Assistant;
  budget: Budget;
  /** `instance` changes when the server starts anew: answers that ran then are interrupted.
   *  `retentionDays`: messages are deleted after so many days; none: never. `fileBytes`: the largest file; 0: no files. */
  server: { version: string; instance?: string | null; retentionDays?: number | null; fileBytes?: number };
}

export interface Opened {
  room: Room;
  messages: Message[];
  hasMore: boolean;
  reset: boolean;
  /** Earlier messages that have changed since we heard of them. */
  changed?: Message[];
  /** Messages with lower numbers were deleted. */
  clearedBefore?: number;
  /** What the room tells the assistant before everything else. */
  prompt?: string;
}

export interface Earlier {
  messages: Message[];
  hasMore: boolean;
}

/** The messages around one of them, wherever in the history it is. */
export interface Around {
  messages: Message[];
  hasMore: boolean;
  hasLater: boolean;
}

/** The messages after a number; `hasMore`: there are newer ones. */
export interface Later {
  messages: Message[];
  hasMore: boolean;
}

/** A message that was found. Every second part of `excerpt` is a hit. */
export interface Found {
  messageId: string;
  roomId: string;
  seq: number;
  author: Person;
  sentAt: string;
  excerpt: string[];
  /** The names of those of its files that have a hit, each in parts like `excerpt`. */
  files?: string[][];
}

/** The newest first. */
export interface SearchResult {
  found: Found[];
  hasMore: boolean;
}

/** Why an address shows no room. */
export type RoomState = "open" | "private" | "gone";

/** What the server calls on us, with its arguments. */
export interface ServerCalls {
  ReceiveMessage: [message: Message];
  /** A message has another form: an answer has ended, or goes on after its end. */
  MessageChanged: [message: Message];
  /** What was said before that number is gone for good. */
  HistoryCleared: [roomId: string, beforeSeq: number];
  /** A room tells the assistant something else before everything else. */
  PromptChanged: [roomId: string, prompt: string];
  RoomsChanged: [rooms: Room[]];
  AssistantChanged: [assistant: Assistant];
  BudgetChanged: [budget: Budget];
  /** My role or tier is another one now. */
  AccountChanged: [me: Me];
  /** An account was removed. `person` has the name that remains; `isErased`: what they said is deleted. */
  PersonRemoved: [person: Person, isErased: boolean];
  /** I have read a room up to that message, on whatever device. */
  ReadChanged: [roomId: string, seq: number];
  /** A new message mentions me, in whatever room. */
  Mentioned: [message: Message];
  /** A message of mine was posted, and the assistant does not answer it, for this reason. */
  NotAnswered: [message: Message, sentence: string];
  /** I am no member any more, or the room was deleted; `sentence` says which. */
  RoomGone: [roomId: string, sentence: string];
}

export const SERVER_CALLS: readonly (keyof ServerCalls)[] = [
  "ReceiveMessage",
  "MessageChanged",
  "HistoryCleared",
  "PromptChanged",
  "RoomsChanged",
  "AssistantChanged",
  "BudgetChanged",
  "AccountChanged",
  "PersonRemoved",
  "ReadChanged",
  "Mentioned",
  "NotAnswered",
  "RoomGone",
];

export function isRunning(answer: Answer | null | undefined): boolean {
  return answer?.state === "running";
}

import { isRunning, type Earlier, type Joined, type Message, type Person } from "../connection/contract";

/** What the page knows of one room. `messages` are ordered; those with `seq` 0 are notes to this page alone. */
export interface RoomView {
  status: "loading" | "ready" | "error";
  error: string | null;
  messages: readonly Message[];
  hasMore: boolean;
  earlier: "idle" | "loading" | "error";
  people: readonly Person[];
  typing: readonly string[];
  /** The last message read before the room was opened; the line "New" comes after it. */
  newAfter: number | null;
}

export const FRESH_VIEW: RoomView = {
  status: "loading",
  error: null,
  messages: [],
  hasMore: false,
  earlier: "idle",
  people: [],
  typing: [],
  newAfter: null,
};

export function lastSeq(messages: readonly Message[]): number {
  return messages.reduce((last, message) => Math.max(last, message.seq), 0);
}

/** Puts a message where it belongs, or in place of its older copy. */
export function withMessage(messages: readonly Message[], message: Message): readonly Message[] {
  const known = messages.findIndex((each) => each.id === message.id);
  if (known >= 0) return messages.with(known, message);
  if (message.seq === 0) return [...messages.filter((each) => each.seq > 0 || each.text !== message.text), message];
  const later = messages.findIndex((each) => each.seq > message.seq);
  return messages.toSpliced(later < 0 ? messages.length : later, 0, message);
}

/** What `JoinRoom` told, put together with what came while it was under way. */
export function withJoined(view: RoomView, joined: Joined, since: number | null): RoomView {
  const afresh = joined.reset || since === null;
  const newest = lastSeq(joined.messages);
  const kept = afresh ? view.messages.filter((message) => message.seq === 0 || message.seq > newest) : view.messages;
  const messages = afresh
    ? kept.reduce(withMessage, joined.messages)
    : joined.messages.reduce(withMessage, kept);
  return {
    ...view,
    status: "ready",
    error: null,
    messages,
    hasMore: afresh ? joined.hasMore : view.hasMore,
    people: joined.people,
  };
}

export function withEarlier(view: RoomView, earlier: Earlier): RoomView {
  const known = new Set(view.messages.map((message) => message.id));
  const older = earlier.messages.filter((message) => !known.has(message.id));
  return { ...view, earlier: "idle", hasMore: earlier.hasMore, messages: [...older, ...view.messages] };
}

/** From where a re-join heals the view: before the oldest answer that still ran, else after the last message. */
export function healSince(messages: readonly Message[]): number | null {
  const last = lastSeq(messages);
  if (last === 0) return null;
  const running = messages.filter((message) => message.seq > 0 && isRunning(message.answer)).map((each) => each.seq - 1);
  return Math.min(last, ...running);
}

export function oldestSeq(messages: readonly Message[]): number {
  return messages.find((message) => message.seq > 0)?.seq ?? 0;
}

/** Messages shown at most while the reader is at the bottom; older ones are fetched again when wanted. */
export const KEPT = 400;

export function trimmed(view: RoomView): RoomView {
  if (view.messages.length <= KEPT * 1.5) return view;
  return { ...view, messages: view.messages.slice(-KEPT), hasMore: true };
}

import { isRunning, type Around, type Earlier, type Opened, type Later, type Message } from "../connection/contract";
import { requoted, withoutQuotes } from "../messages/replies";

/** What the page knows of one room. `messages` are ordered; those with `seq` 0 are notes to this page alone. */
export interface RoomView {
  status: "loading" | "ready" | "error";
  error: string | null;
  messages: readonly Message[];
  hasMore: boolean;
  earlier: "idle" | "loading" | "error";
  /** After a jump, or far back: these are not the newest messages, and those between are not here. */
  hasLater: boolean;
  later: "idle" | "loading" | "error";
  /** What the room tells the assistant before everything else. */
  prompt: string;
  /** The last message read before the room was opened; the line "New" comes after it. */
  newAfter: number | null;
}

export const FRESH_VIEW: RoomView = {
  status: "loading",
  error: null,
  messages: [],
  hasMore: false,
  earlier: "idle",
  hasLater: false,
  later: "idle",
  prompt: "",
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

/** What `OpenRoom` told, put together with what came while it was under way. */
export function withOpened(view: RoomView, opened: Opened, since: number | null): RoomView {
  const afresh = opened.reset || since === null;
  if (view.hasLater && !afresh) return { ...refreshed(view, opened.messages), prompt: opened.prompt ?? "" }; // it went far back meanwhile
  const newest = lastSeq(opened.messages);
  const kept = afresh ? view.messages.filter((message) => message.seq === 0 || message.seq > newest) : view.messages;
  const messages = afresh
    ? kept.reduce(withMessage, opened.messages)
    : opened.messages.reduce(withMessage, kept);
  return {
    ...view,
    status: "ready",
    error: null,
    messages,
    hasMore: afresh ? opened.hasMore : view.hasMore,
    prompt: opened.prompt ?? "",
  };
}

/** What a message changes. While newer ones are missing it is not put behind them. */
export function withNews(view: RoomView, message: Message): RoomView {
  if (view.hasLater && !has(view, message.id)) return view;
  return { ...view, messages: withMessage(view.messages, message) };
}

/** Messages the view has, in their newer form, also where others reply to them. */
export function refreshed(view: RoomView, messages: readonly Message[]): RoomView {
  return { ...view, messages: requoted(messages.filter((each) => has(view, each.id)).reduce(withMessage, view.messages), messages) };
}

export function has(view: RoomView, messageId: string): boolean {
  return view.messages.some((message) => message.id === messageId);
}

/** The view after a jump. If the messages reach to the newest, which are here, nothing is missing between. */
export function withAround(view: RoomView, around: Around): RoomView {
  const oldest = oldestSeq(view.messages);
  if (!view.hasLater && oldest > 0 && lastSeq(around.messages) >= oldest - 1) {
    return { ...view, earlier: "idle", hasMore: around.hasMore, messages: around.messages.reduce(withMessage, view.messages) };
  }
  return { ...view, earlier: "idle", later: "idle", hasMore: around.hasMore, hasLater: true, newAfter: null, messages: around.messages };
}

/** `missed`: something newer has come while this was asked for. */
export function withLater(view: RoomView, later: Later, missed: boolean): RoomView {
  const messages = later.messages.reduce(withMessage, view.messages);
  const cut = messages.length > KEPT * 1.5;
  return {
    ...view,
    later: "idle",
    hasLater: later.hasMore || missed,
    hasMore: view.hasMore || cut,
    messages: cut ? messages.slice(-KEPT) : messages,
  };
}

export function withEarlier(view: RoomView, earlier: Earlier): RoomView {
  const known = new Set(view.messages.map((message) => message.id));
  const messages = [...earlier.messages.filter((message) => !known.has(message.id)), ...view.messages];
  const there = { ...view, earlier: "idle" as const, hasMore: earlier.hasMore, messages };
  return messages.length > FAR ? { ...there, later: "idle", hasLater: true, messages: messages.slice(0, KEPT * 1.25) } : there;
}

const HEALED = 100;

/**
 * From where a re-join heals the view: before the oldest answer that still ran among the last hundred messages, else
 * after the last message. The server tells the changes of older messages apart.
 */
export function healSince(messages: readonly Message[]): number | null {
  const last = lastSeq(messages);
  if (last === 0) return null;
  const running = messages.filter((message) => message.seq > Math.max(0, last - HEALED) && isRunning(message.answer)).map((each) => each.seq - 1);
  return Math.min(last, ...running);
}

/** The newest time that the messages tell of, as the server wrote it: what changed later has not been heard. */
export function heardUntil(messages: readonly Message[]): string | null {
  let newest: string | null = null;
  for (const { seq, sentAt, editedAt, reactedAt, answer } of messages) {
    if (seq === 0) continue;
    for (const time of [sentAt, editedAt, reactedAt, answer?.startedAt, answer?.endedAt]) {
      if (time && (newest === null || Date.parse(time) > Date.parse(newest))) newest = time;
    }
  }
  return newest;
}

export function withoutCleared(view: RoomView, before: number): RoomView {
  const messages = withoutQuotes(view.messages, before);
  if (oldestSeq(messages) >= before) return messages === view.messages ? view : { ...view, messages };
  return { ...view, messages: messages.filter((message) => message.seq === 0 || message.seq >= before), hasMore: false };
}

export function oldestSeq(messages: readonly Message[]): number {
  return messages.find((message) => message.seq > 0)?.seq ?? 0;
}

/** Messages shown at most while the reader is at the bottom; older ones are fetched again when wanted. */
export const KEPT = 400;

/** With more, the newest are taken off: the reader is far above them. At the bottom there never are as many. */
const FAR = KEPT * 1.75;

export function trimmed(view: RoomView): RoomView {
  if (view.messages.length <= KEPT * 1.5 || view.hasLater) return view;
  return { ...view, messages: view.messages.slice(-KEPT), hasMore: true };
}

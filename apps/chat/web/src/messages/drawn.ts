import type { Message } from "../connection/contract";
import type { RoomView } from "../rooms/room-view";

/** What an earlier or a later page adds in one frame, in messages of a line or two: with more of them the frame is late. */
export const STEP = 8;
/** Characters that take as long to draw as a message for itself. */
const LONG = 500;

/** Between which messages everything is drawn, by their ids. `open`: what comes after `last` is a page of history, and not news. */
export interface Edges {
  first: string | undefined;
  last: string | undefined;
  open: boolean;
}

export function edgesOf({ messages, hasLater }: RoomView): Edges {
  return { first: messages[0]?.id, last: messages.at(-1)?.id, open: hasLater };
}

/**
 * The view as it is drawn: without what a page has put above or below the `edges` of before. The message `wanted` has
 * all drawn at once, and so has a view in which the edges are not: nobody was reading here.
 */
export function drawnOf(view: RoomView, edges: Edges, wanted: string | null): RoomView {
  const [from, end] = spanOf(view, edges);
  const { messages } = view;
  if (from === 0 && end === messages.length) return view;
  if (messages.some((message, index) => message.id === wanted && (index < from || index >= end))) return view;
  return {
    ...view,
    messages: messages.slice(from, end),
    ...(from > 0 && { hasMore: true, earlier: "loading" as const }),
    ...(end < messages.length && { hasLater: true, later: "loading" as const }),
  };
}

/** The edges a frame later. */
export function grown(view: RoomView, edges: Edges): Edges {
  const { messages, hasLater } = view;
  let [from, end] = spanOf(view, edges);
  for (let left = STEP; from > 0 && left > 0; from--) left -= costOf(messages[from - 1]);
  for (let left = STEP; end < messages.length && left > 0; end++) left -= costOf(messages[end]);
  return { first: messages[from]?.id, last: messages[end - 1]?.id, open: hasLater || end < messages.length };
}

function costOf(message: Message | undefined): number {
  return 1 + (message?.text.length ?? 0) / LONG;
}

function spanOf({ messages }: RoomView, { first, last, open }: Edges): [from: number, end: number] {
  const from = messages.findIndex((message) => message.id === first && message.seq > 0);
  const end = open ? messages.findLastIndex((message) => message.id === last) + 1 : 0;
  return [Math.max(0, from), end > 0 ? end : messages.length];
}

import type { Message } from "../connection/contract";
import { sameDay } from "./dates";

/** Messages drawn and skipped together: the browser leaves out whole chunks that are not on the screen. */
export interface Chunk {
  key: number;
  messages: readonly Message[];
  /** The message above the first one, for the line between days and for grouping. */
  above: Message | undefined;
}

const SIZE = 10;
const GROUP_SPAN = 5 * 60_000;

/** Cuts by `seq`, so that chunks keep their borders while messages are added at either end. */
export function chunksOf(messages: readonly Message[]): Chunk[] {
  const chunks: { key: number; messages: Message[]; above: Message | undefined }[] = [];
  let above: Message | undefined;
  for (const message of messages) {
    const last = chunks.at(-1);
    const key = message.seq === 0 ? (last?.key ?? 0) : Math.floor(message.seq / SIZE);
    if (last?.key === key) last.messages.push(message);
    else chunks.push({ key, messages: [message], above });
    above = message;
  }
  return chunks;
}

export function sameChunk(a: Chunk, b: Chunk): boolean {
  return (
    a.key === b.key &&
    a.above === b.above &&
    a.messages.length === b.messages.length &&
    a.messages.every((message, index) => message === b.messages[index])
  );
}

/** Does this message go on under the name of the one above? */
export function continues(message: Message, above: Message | undefined): boolean {
  return (
    above !== undefined &&
    message.kind === "person" &&
    above.kind === "person" &&
    above.author.id === message.author.id &&
    sameDay(above.sentAt, message.sentAt) &&
    Date.parse(message.sentAt) - Date.parse(above.sentAt) < GROUP_SPAN
  );
}

import type { Message, Quote } from "../connection/contract";
import { Store } from "../ui/store";

const LENGTH = 200;

/** What is being replied to in each room, until the message is sent. */
export class Replies {
  readonly rooms = new Store<Readonly<Record<string, Quote>>>({});

  begin(message: Message): void {
    this.set(message.roomId, quoteOf(message));
  }

  set(roomId: string, quote: Quote | null): void {
    this.rooms.update(({ [roomId]: _, ...others }) => (quote ? { ...others, [roomId]: quote } : others));
  }

  /** For a message that goes out now. */
  take(roomId: string): Quote | null {
    const quote = this.rooms.value[roomId] ?? null;
    if (quote) this.set(roomId, null);
    return quote;
  }

  /** A message has another form, or is gone. */
  changed(message: Message): void {
    if (this.rooms.value[message.roomId]?.id === message.id) this.set(message.roomId, message.isDeleted ? null : quoteOf(message));
  }
}

/** What a reply shows of a message, as the server makes it. */
export function quoteOf(message: Message): Quote {
  const { id, seq, author, files } = message;
  if (message.isDeleted) return { seq, id: "", authorId: "", authorName: "", text: "", isDeleted: true };
  const text = message.text.split(/\s+/).filter(Boolean).join(" ") || (files ?? []).map((file) => file.name).join(", ");
  return { seq, id, authorId: author.id, authorName: author.name, text: text.length > LENGTH ? `${text.slice(0, LENGTH - 1)}…` : text, isDeleted: false };
}

/** Messages with their quotes in the present form of what they quote. */
export function requoted(messages: readonly Message[], changed: readonly Message[]): readonly Message[] {
  const bySeq = new Map(changed.map((message) => [message.seq, message]));
  if (!messages.some(({ quote }) => quote && bySeq.has(quote.seq))) return messages;
  return messages.map((message) => {
    const original = message.quote && bySeq.get(message.quote.seq);
    return original ? { ...message, quote: quoteOf(original) } : message;
  });
}

/** What was said before a number is gone: nothing shows it any more. */
export function withoutQuotes(messages: readonly Message[], before: number): readonly Message[] {
  if (!messages.some(({ quote }) => quote && quote.seq < before && !quote.isDeleted)) return messages;
  return messages.map((message) =>
    message.quote && message.quote.seq < before ? { ...message, quote: { ...message.quote, id: "", authorId: "", authorName: "", text: "", isDeleted: true } } : message,
  );
}

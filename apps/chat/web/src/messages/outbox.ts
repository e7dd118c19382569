import type { FileInfo, Message, Quote } from "../connection/contract";
import { ConnectionLost, sentence } from "../connection/errors";
import { isRecord, readJson, type Box } from "../ui/storage";
import { Store } from "../ui/store";
import { isFiles } from "./uploads";

/** A message the server does not have yet, as far as we know. */
export interface Unsent {
  clientMessageId: string;
  roomId: string;
  text: string;
  /** Goes to the assistant (`Ask`) instead of only to the room. */
  ask: boolean;
  /** What was attached to it. */
  files?: readonly FileInfo[];
  /** What it replies to. */
  quote?: Quote | null;
  createdAt: string;
  state: "waiting" | "sending" | "failed";
  error: string | null;
}

/** A question on its way: its answer's row is shown before the server has made it. */
export interface Expected {
  clientMessageId: string;
  roomId: string;
  since: number;
}

export interface OutboxHooks {
  /** Is there a connection that would take a message now? */
  ready(): boolean;
  send(entry: Unsent): Promise<Message>;
  /** Does it go to the assistant? */
  asks(entry: Unsent): boolean;
  sent(message: Message): void;
}

/** The longest message the server takes, in characters as it counts them: code points. */
export const CHARACTERS_LIMIT = 32_000;
const EXPECT_LIMIT = 20_000;

/** Messages that wait for the server. They go out once and in order, and survive a reload. */
export class Outbox {
  readonly entries: Store<readonly Unsent[]>;
  readonly expected = new Store<readonly Expected[]>([]);
  readonly #box: Box;
  readonly #hooks: OutboxHooks;
  #flushing = false;

  constructor(box: Box, hooks: OutboxHooks) {
    this.#box = box;
    this.#hooks = hooks;
    this.entries = new Store(restore(box));
  }

  add(roomId: string, clientMessageId: string, text: string, ask: boolean, more: Pick<Unsent, "files" | "quote"> = {}): void {
    const createdAt = new Date().toISOString();
    const entry: Unsent = { clientMessageId, roomId, text, ask, ...more, createdAt, state: "waiting", error: null };
    this.#box.write(key(clientMessageId), JSON.stringify(entry));
    this.entries.update((entries) => [...entries, entry]);
    void this.flush();
  }

  /** Sends what waits, oldest first, one after the other. Returns when nothing waits or the connection is gone. */
  async flush(): Promise<void> {
    if (this.#flushing) return;
    this.#flushing = true;
    try {
      for (let next = this.#next(); next; next = this.#next()) await this.#deliver(next);
    } finally {
      this.#flushing = false;
    }
  }

  /** The server has it: its copy takes the place of ours. */
  delivered(clientMessageId: string): void {
    this.#box.remove(key(clientMessageId));
    this.entries.update((entries) => without(entries, clientMessageId));
  }

  retry(clientMessageId: string): void {
    this.#change(clientMessageId, { state: "waiting", error: null });
    void this.flush();
  }

  /** Takes a message back; returns it, so that its text is not lost. */
  takeBack(clientMessageId: string): Unsent | null {
    const entry = this.entries.value.find((each) => each.clientMessageId === clientMessageId) ?? null;
    if (entry?.state === "sending") return null;
    this.delivered(clientMessageId);
    return entry;
  }

  /** No answer will come to what was asked before: the server that knew of it is no more. */
  expectNothing(): void {
    this.expected.set([]);
  }

  /** No answer will come to this question. */
  expectNot(clientMessageId: string): void {
    this.#unexpect(clientMessageId);
  }

  #next(): Unsent | undefined {
    return this.#hooks.ready() ? this.entries.value.find((entry) => entry.state === "waiting") : undefined;
  }

  async #deliver(entry: Unsent): Promise<void> {
    const { clientMessageId, roomId } = entry;
    this.#change(clientMessageId, { state: "sending" });
    if (this.#hooks.asks(entry)) this.#expect({ clientMessageId, roomId, since: Date.now() });
    try {
      const message = await this.#hooks.send(entry);
      this.delivered(clientMessageId);
      this.#hooks.sent(message);
    } catch (error) {
      this.#unexpect(clientMessageId);
      if (error instanceof ConnectionLost) this.#change(clientMessageId, { state: "waiting" });
      else this.#change(clientMessageId, { state: "failed", error: sentence(error) });
    }
  }

  #expect(expected: Expected): void {
    this.expected.update((all) => [...without(all, expected.clientMessageId), expected]);
    setTimeout(() => this.#unexpect(expected.clientMessageId), EXPECT_LIMIT);
  }

  #unexpect(clientMessageId: string): void {
    this.expected.update((all) => without(all, clientMessageId));
  }

  #change(clientMessageId: string, change: Partial<Unsent>): void {
    this.entries.update((entries) =>
      entries.map((entry) => (entry.clientMessageId === clientMessageId ? { ...entry, ...change } : entry)),
    );
  }
}

/** The last arguments of the call that sends a message: none when nothing is attached. */
export function attached({ files = [], quote }: Unsent): [] | [fileIds: string[], replyTo?: string] {
  const ids = files.map((file) => file.id);
  if (quote) return [ids, quote.id];
  return ids.length === 0 ? [] : [ids];
}

/** The same for a question: the model is the room's. */
export function asked(entry: Unsent): unknown[] {
  const more = attached(entry);
  return more.length === 0 ? [] : [null, ...more];
}

/** By how many characters a message is longer than the server takes; 0 when it may go. */
export function excess(text: string): number {
  const trimmed = text.trim();
  return trimmed.length <= CHARACTERS_LIMIT ? 0 : Math.max(0, [...trimmed].length - CHARACTERS_LIMIT);
}

/** The length of a message that comes near to the limit; null while there is much room. */
export function nearLimit(text: string): number | null {
  if (text.length < CHARACTERS_LIMIT * 0.8) return null;
  const count = [...text.trim()].length;
  return count < CHARACTERS_LIMIT * 0.8 ? null : count;
}

function without<T extends { clientMessageId: string }>(all: readonly T[], clientMessageId: string): readonly T[] {
  const rest = all.filter((each) => each.clientMessageId !== clientMessageId);
  return rest.length === all.length ? all : rest;
}

function key(clientMessageId: string): string {
  return `outbox.${clientMessageId}`;
}

/** One key per message, so that two tabs never overwrite each other's list; sending twice is harmless by its id. */
function restore(box: Box): readonly Unsent[] {
  return box
    .keys("outbox.")
    .map((name) => readJson(box, name, isUnsent))
    .filter((entry) => entry !== null)
    .map((entry): Unsent => ({ ...entry, state: "waiting", error: null }))
    .toSorted((a, b) => a.createdAt.localeCompare(b.createdAt));
}

function isUnsent(value: unknown): value is Unsent {
  return (
    isRecord(value) &&
    typeof value.clientMessageId === "string" &&
    typeof value.roomId === "string" &&
    typeof value.text === "string" &&
    typeof value.ask === "boolean" &&
    (value.files === undefined || isFiles(value.files)) &&
    (value.quote == null || (isRecord(value.quote) && typeof value.quote.id === "string")) &&
    typeof value.createdAt === "string"
  );
}

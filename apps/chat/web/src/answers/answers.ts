import type { Answer, Message } from "../connection/contract";
import { isRunning } from "../connection/contract";
import { Store } from "../ui/store";
import { AnswerText } from "./answer-text";

/** One answer as it is shown now. `since` is when its `elapsed` was right (ms of the page's clock). */
export interface LiveAnswer {
  text: string;
  answer: Answer;
  since: number;
}

export interface AnswerHooks {
  /** Pieces are missing: the room must be fetched again. */
  gap(roomId: string, messageId: string): void;
  /** An answer we watched is over. */
  ended(roomId: string, messageId: string, text: string, answer: Answer): void;
}

interface Entry {
  readonly store: Store<LiveAnswer | null>;
  readonly text: AnswerText;
  roomId: string;
  over: boolean;
}

/** Runs `work` at the next frame; pages nobody sees have no frames and get a timer. */
export type Schedule = (work: () => void) => void;

export const onFrame: Schedule = (work) => {
  if (document.visibilityState === "visible") requestAnimationFrame(work);
  else setTimeout(work, 100);
};

/** All answers of the page. Text grows here and wakes only the row that shows it, once per frame. */
export class Answers {
  readonly #entries = new Map<string, Entry>();
  readonly #grown = new Set<Entry>();
  readonly #schedule: Schedule;
  readonly #hooks: AnswerHooks;
  #scheduled = false;

  constructor(hooks: AnswerHooks, schedule: Schedule = onFrame) {
    this.#hooks = hooks;
    this.#schedule = schedule;
  }

  /** What a row watches; null until the answer's message has come. */
  watch(messageId: string): Store<LiveAnswer | null> {
    return this.#entry(messageId, "").store;
  }

  /** A message of the assistant as the server has it: new, from history, or after a gap. */
  take(message: Message): void {
    if (!message.answer) return;
    const entry = this.#entry(message.id, message.roomId);
    entry.roomId = message.roomId;
    if (entry.over && isRunning(message.answer)) return;
    entry.over = !isRunning(message.answer);
    if (entry.over) entry.text.finish(message.text);
    else if (!entry.text.snapshot(message.text)) this.#hooks.gap(message.roomId, message.id);
    this.#show(entry, message.answer);
  }

  delta(roomId: string, messageId: string, offset: number, text: string): void {
    const entry = this.#entry(messageId, roomId);
    if (entry.over) return;
    const known = entry.store.value !== null;
    const result = entry.text.apply({ offset, text });
    if (result === "gap" && known) this.#hooks.gap(roomId, messageId);
    if (result === "grew" && known) this.#grew(entry);
  }

  status(roomId: string, messageId: string, answer: Answer): void {
    const entry = this.#entry(messageId, roomId);
    if (!entry.over) this.#show(entry, answer);
  }

  ended(roomId: string, messageId: string, text: string, answer: Answer): void {
    const entry = this.#entry(messageId, roomId);
    const first = !entry.over;
    entry.over = true;
    entry.text.finish(text);
    this.#show(entry, answer);
    if (first) this.#hooks.ended(roomId, messageId, text, answer);
  }

  forget(messageIds: Iterable<string>): void {
    for (const id of messageIds) this.#entries.delete(id);
  }

  #entry(messageId: string, roomId: string): Entry {
    let entry = this.#entries.get(messageId);
    if (!entry) {
      entry = { store: new Store<LiveAnswer | null>(null), text: new AnswerText(), roomId, over: false };
      this.#entries.set(messageId, entry);
    }
    return entry;
  }

  #show(entry: Entry, answer: Answer): void {
    this.#grown.delete(entry);
    entry.store.set({ text: entry.text.text, answer, since: Date.now() });
  }

  #grew(entry: Entry): void {
    this.#grown.add(entry);
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#schedule(() => {
      this.#scheduled = false;
      for (const grown of this.#grown) grown.store.update((live) => live && withText(live, grown.text.text));
      this.#grown.clear();
    });
  }
}

/** The first words also mean that the thinking is over, even when the status comes later. */
function withText(live: LiveAnswer, text: string): LiveAnswer {
  const waiting = live.answer.state === "thinking" || live.answer.state === "queued";
  return { ...live, text, answer: waiting ? { ...live.answer, state: "answering" } : live.answer };
}

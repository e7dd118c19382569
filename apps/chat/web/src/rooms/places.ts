import type { Answers } from "../answers/answers";
import type { Connection } from "../connection/connection";
import type { Around, Later, Message } from "../connection/contract";
import { Refused, sentence } from "../connection/errors";
import { Store } from "../ui/store";
import { FRESH_VIEW, has, lastSeq, withAround, withLater } from "./room-view";
import type { Rooms } from "./rooms";

/** A message to go to, from a link or from a search. */
export interface Target {
  roomId: string;
  messageId: string;
  /** The words that were found in it. */
  words: readonly string[];
}

/** Jumps to messages, wherever in a room's history they are, and the way back to the newest. */
export class Places {
  /** Where the reader was brought; null again at the newest messages and in another room. */
  readonly target = new Store<Target | null>(null);
  readonly #rooms: Rooms;
  readonly #connection: Connection;
  readonly #answers: Answers;
  readonly #tell: (sentence: string) => void;

  /** `tell` puts a sentence where the reader sees it. */
  constructor(rooms: Rooms, connection: Connection, answers: Answers, tell: (sentence: string) => void) {
    this.#rooms = rooms;
    this.#connection = connection;
    this.#answers = answers;
    this.#tell = tell;
    rooms.active.subscribe(() => {
      const active = rooms.active.value;
      if (active !== null && active !== this.target.value?.roomId) this.target.set(null);
    });
  }

  /** Goes to a message; without a connection, as soon as there is one. */
  async jump(target: Target): Promise<void> {
    this.target.set(target);
    await this.#rooms.visit(target.roomId);
    await this.resume();
  }

  /** Fetches the messages around the target, unless they are here. Called again after each reconnect. */
  async resume(): Promise<void> {
    const target = this.target.value;
    if (!target || this.#rooms.active.value !== target.roomId) return;
    const view = this.#rooms.view(target.roomId);
    if (view.value.status !== "ready" || has(view.value, target.messageId)) return;
    try {
      const around = await this.#connection.invoke<Around>("LoadAround", target.roomId, target.messageId);
      if (this.target.value !== target) return;
      this.#take(around.messages);
      view.update((value) => withAround(value, around));
    } catch (error) {
      if (!(error instanceof Refused) || this.target.value !== target) return;
      this.target.set(null);
      this.#tell(sentence(error));
    }
  }

  /** The messages that follow, until the newest are reached. */
  async loadLater(roomId: string): Promise<void> {
    const view = this.#rooms.view(roomId);
    if (view.value.status !== "ready" || !view.value.hasLater || view.value.later === "loading") return;
    view.update((value) => ({ ...value, later: "loading" }));
    const known = this.#rooms.room(roomId)?.lastSeq ?? 0;
    const after = lastSeq(view.value.messages);
    try {
      const later = await this.#connection.invoke<Later>("LoadLater", roomId, after);
      if (!view.value.hasLater) return;
      if (lastSeq(view.value.messages) !== after) return view.update((value) => ({ ...value, later: "idle" })); // taken off meanwhile
      const missed = (this.#rooms.room(roomId)?.lastSeq ?? 0) > Math.max(known, lastSeq(later.messages));
      this.#take(later.messages);
      view.update((value) => withLater(value, later, missed));
    } catch {
      view.update((value) => ({ ...value, later: value.hasLater ? "error" : "idle" }));
    }
  }

  /** Back to the newest messages. */
  toNewest(roomId: string): void {
    this.target.set(null);
    const view = this.#rooms.view(roomId);
    if (!view.value.hasLater) return;
    view.set(FRESH_VIEW);
    void this.#rooms.retry(roomId);
  }

  /** The reader has seen the newest messages: the address needs no place any more. */
  arrived(roomId: string): void {
    if (this.target.value?.roomId === roomId) this.target.set(null);
  }

  #take(messages: readonly Message[]): void {
    for (const message of messages) this.#answers.take(message);
  }
}

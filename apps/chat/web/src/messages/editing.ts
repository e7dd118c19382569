import type { Connection } from "../connection/connection";
import type { Message, Version } from "../connection/contract";
import type { Rooms } from "../rooms/rooms";
import { Store } from "../ui/store";

/** A message of mine that is being edited, and what is written in its place so far. */
export interface Edited {
  messageId: string;
  text: string;
}

const VERSIONS_KEPT = 50;

/** What is done to messages that were said: edited, deleted, and answers looked at in earlier versions. */
export class Editing {
  /** One at a time; it outlives its row, which may be taken off the screen. */
  readonly edited = new Store<Edited | null>(null);
  readonly #connection: Connection;
  readonly #rooms: Rooms;
  readonly #versions = new Map<string, Version>();

  constructor(connection: Connection, rooms: Rooms) {
    this.#connection = connection;
    this.#rooms = rooms;
  }

  begin({ id, text }: Message): void {
    this.edited.set({ messageId: id, text });
  }

  /** Begins with the last message of mine in a room; whether there is one. */
  beginLast(roomId: string, me: string): boolean {
    const mine = this.#rooms.view(roomId).value.messages.findLast((message) => isMine(message, me));
    if (mine) this.begin(mine);
    return mine !== undefined;
  }

  write(text: string): void {
    this.edited.update((edited) => edited && { ...edited, text });
  }

  cancel(): void {
    this.edited.set(null);
  }

  /** Stores what is written; `askAgain`: the assistant answers it anew. Until the server has it, it stays to be edited. */
  async save(askAgain: boolean): Promise<void> {
    const edited = this.edited.value;
    if (!edited) return;
    const message = await this.#connection.invoke<Message>("EditMessage", edited.messageId, edited.text.trim(), askAgain);
    this.#rooms.changed(message);
    if (this.edited.value?.messageId === edited.messageId) this.edited.set(null);
  }

  async remove(messageId: string): Promise<void> {
    await this.#connection.invoke("DeleteMessage", messageId);
  }

  /** An earlier version of an answer; they never change. */
  async version(messageId: string, number: number): Promise<Version> {
    const key = `${messageId}/${number}`;
    let version = this.#versions.get(key);
    if (!version) {
      version = await this.#connection.invoke<Version>("AnswerVersion", messageId, number);
      this.#versions.set(key, version);
      const [oldest] = this.#versions.keys();
      if (oldest && this.#versions.size > VERSIONS_KEPT) this.#versions.delete(oldest);
    }
    return version;
  }
}

/** May I edit it? */
export function isMine(message: Message, me: string): boolean {
  return message.kind === "person" && message.author.id === me && message.seq > 0 && !message.isDeleted;
}

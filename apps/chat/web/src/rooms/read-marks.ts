import type { Read, Room } from "../connection/contract";
import { Store } from "../ui/store";

/** How far a room is read, and the later messages that mention me. */
export interface Mark {
  seq: number;
  mentions: readonly number[];
}

export type Marks = Readonly<Record<string, Mark>>;

const NOTHING: Mark = { seq: 0, mentions: [] };
/** Marks are sent at most once in this time (ms). */
const SEND_EVERY = 500;

/** The last message read in each room, the same on all of my devices: the server keeps the marks. They rise only. */
export class ReadMarks {
  readonly marks = new Store<Marks>({});
  readonly #send: (roomId: string, seq: number) => Promise<unknown>;
  /** Marks that the server does not have yet. */
  readonly #unsent = new Map<string, number>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(send: (roomId: string, seq: number) => Promise<unknown>) {
    this.#send = send;
  }

  read(roomId: string): number {
    return (this.marks.value[roomId] ?? NOTHING).seq;
  }

  /** What the server has. What was read here while it could not hear of it is sent to it. */
  restore(reads: readonly Read[], rooms: readonly Room[]): void {
    this.marks.set(Object.fromEntries(reads.map(({ roomId, seq, mentions }) => [roomId, { seq, mentions }])));
    for (const [roomId, seq] of [...this.#unsent]) {
      const last = rooms.find((room) => room.id === roomId)?.lastSeq ?? 0;
      if (seq > last) this.#unsent.delete(roomId);
      else this.#raise(roomId, seq);
    }
    if (this.#unsent.size > 0) this.#soon();
  }

  /** I have read a room up to a message. */
  mark(roomId: string, seq: number): void {
    if (!this.#raise(roomId, seq)) return;
    this.#unsent.set(roomId, seq);
    this.#soon();
  }

  /** I have read it, perhaps on another device. */
  changed(roomId: string, seq: number): void {
    if ((this.#unsent.get(roomId) ?? Infinity) <= seq) this.#unsent.delete(roomId);
    this.#raise(roomId, seq);
  }

  mentioned(roomId: string, seq: number): void {
    const mark = this.marks.value[roomId] ?? NOTHING;
    if (seq <= mark.seq || mark.mentions.includes(seq)) return;
    this.marks.update((marks) => ({ ...marks, [roomId]: { ...mark, mentions: [...mark.mentions, seq] } }));
  }

  #raise(roomId: string, seq: number): boolean {
    const mark = this.marks.value[roomId] ?? NOTHING;
    if (seq <= mark.seq) return false;
    const raised = { seq, mentions: mark.mentions.filter((each) => each > seq) };
    this.marks.update((marks) => ({ ...marks, [roomId]: raised }));
    return true;
  }

  #soon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      for (const [roomId, seq] of [...this.#unsent]) void this.#deliver(roomId, seq);
    }, SEND_EVERY);
  }

  /** What does not arrive goes out with the next connection. */
  async #deliver(roomId: string, seq: number): Promise<void> {
    try {
      await this.#send(roomId, seq);
    } catch {
      return;
    }
    if (this.#unsent.get(roomId) === seq) this.#unsent.delete(roomId);
  }
}

export function unread(room: Room, marks: Marks): number {
  return Math.max(0, room.lastSeq - (marks[room.id] ?? NOTHING).seq);
}

/** How many of the unread messages mention me. */
export function mentions(room: Room, marks: Marks): number {
  return (marks[room.id] ?? NOTHING).mentions.length;
}

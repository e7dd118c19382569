import type { Room } from "../connection/contract";
import { isRecord, readJson, type Box } from "../ui/storage";
import { Store } from "../ui/store";

type Marks = Readonly<Record<string, number>>;

/** The last message read in each room. */
export class ReadMarks {
  readonly marks: Store<Marks>;
  readonly #box: Box;

  constructor(box: Box) {
    this.#box = box;
    this.marks = new Store<Marks>(readJson(box, "read", isMarks) ?? {});
  }

  read(roomId: string): number {
    return this.marks.value[roomId] ?? 0;
  }

  /** Rooms seen for the first time begin as read; where the server has forgotten its history, all is new. */
  begin(rooms: readonly Room[]): void {
    for (const { id, lastSeq } of rooms) {
      const mark = this.marks.value[id];
      if (mark === undefined) this.mark(id, lastSeq);
      else if (mark > lastSeq) this.mark(id, 0);
    }
  }

  mark(roomId: string, seq: number): void {
    if (seq === this.marks.value[roomId]) return;
    this.marks.update((marks) => ({ ...marks, [roomId]: seq }));
    this.#box.write("read", JSON.stringify(this.marks.value));
  }
}

export function unread(room: Room, marks: Marks): number {
  return Math.max(0, room.lastSeq - (marks[room.id] ?? room.lastSeq));
}

function isMarks(value: unknown): value is Marks {
  return isRecord(value) && Object.values(value).every((seq) => typeof seq === "number");
}

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

  mark(roomId: string, seq: number): void {
    if (seq === this.read(roomId)) return;
    this.marks.update((marks) => ({ ...marks, [roomId]: seq }));
    this.#box.write("read", JSON.stringify(this.marks.value));
  }
}

/** A room never opened has nothing unread; a mark from before a restart of the server counts as nothing read. */
export function unread(room: Room, marks: Marks): number {
  const mark = marks[room.id];
  if (mark === undefined) return 0;
  return mark > room.lastSeq ? room.lastSeq : room.lastSeq - mark;
}

function isMarks(value: unknown): value is Marks {
  return isRecord(value) && Object.values(value).every((seq) => typeof seq === "number");
}

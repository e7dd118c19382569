import { isRecord, readJson, type Box } from "../ui/storage";

/** What stands in the composer of a room. */
export interface Draft {
  text: string;
  ask: boolean;
}

const EMPTY: Draft = { text: "", ask: false };

/** The drafts of all rooms; they outlive the page. */
export class Drafts {
  readonly #box: Box;

  constructor(box: Box) {
    this.#box = box;
  }

  read(roomId: string): Draft {
    return readJson(this.#box, key(roomId), isDraft) ?? EMPTY;
  }

  write(roomId: string, draft: Draft): void {
    if (draft.text === "" && !draft.ask) this.#box.remove(key(roomId));
    else this.#box.write(key(roomId), JSON.stringify(draft));
  }

  has(roomId: string): boolean {
    return this.read(roomId).text.trim() !== "";
  }
}

function key(roomId: string): string {
  return `draft.${roomId}`;
}

function isDraft(value: unknown): value is Draft {
  return isRecord(value) && typeof value.text === "string" && typeof value.ask === "boolean";
}

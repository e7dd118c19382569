/** A piece of an answer: `offset` code points of the text come before it. */
export interface Delta {
  offset: number;
  text: string;
}

export type Applied = "grew" | "known" | "gap";

const WAITING_LIMIT = 500;

/** The text of one answer put together from pieces. Pieces after a gap wait until a snapshot closes it. */
export class AnswerText {
  #text = "";
  #count = 0;
  #waiting: Delta[] = [];

  get text(): string {
    return this.#text;
  }

  apply(delta: Delta): Applied {
    const ahead = delta.offset - this.#count;
    if (ahead > 0) {
      if (this.#waiting.length < WAITING_LIMIT) this.#waiting.push(delta);
      return "gap";
    }
    const fresh = ahead === 0 ? delta.text : afterCodePoints(delta.text, -ahead);
    if (fresh === "") return "known";
    this.#text += fresh;
    this.#count += countCodePoints(fresh);
    return "grew";
  }

  /** Takes the text the server says it has; pieces that overtook it are kept and added. True when nothing is missing. */
  snapshot(text: string): boolean {
    if (!this.#text.startsWith(text)) {
      this.#text = text;
      this.#count = countCodePoints(text);
    }
    const waiting = this.#waiting.toSorted((a, b) => a.offset - b.offset);
    this.#waiting = [];
    return waiting.map((delta) => this.apply(delta)).every((result) => result !== "gap");
  }

  /** The final text: right whatever came before. */
  finish(text: string): void {
    this.#text = text;
    this.#count = countCodePoints(text);
    this.#waiting = [];
  }
}

export function countCodePoints(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}

function afterCodePoints(text: string, skip: number): string {
  return [...text].slice(skip).join("");
}

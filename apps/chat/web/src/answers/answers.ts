import { attachRun, type Ask, type AttachedRun, type Connection, type Part, type RunState } from "@hubline/client";
import { isRunning, type Answer, type Message } from "../connection/contract";
import { Store } from "../ui/store";
import { livePieces, storedPieces, textOf, type Piece } from "./pieces";
import { toolTitle } from "./tools";

/** Where an answer is: what its run says while it goes on, how it ended after that. */
export type Phase = "queued" | "thinking" | "answering" | "waiting" | Exclude<Answer["state"], "running">;

/** Who may answer a question of the assistant's. */
export interface Decider {
  id: string;
  name: string;
}

/** An answer as it is shown. `since`: when `answer.elapsed` was true, in this page's time. */
export interface LiveAnswer {
  text: string;
  /** The text with the tools that were used in between. */
  pieces: readonly Piece[];
  reasoning: string;
  answer: Answer;
  phase: Phase;
  /** Questions before this one while it is queued. */
  place: number;
  /** What the server said last of its work. */
  status: string | null;
  /** The tool that is being used. */
  tool: string | null;
  asks: readonly Ask[];
  deciders: readonly Decider[];
  since: number;
  /** Whether this is how it is now: false without a connection. */
  live: boolean;
}

interface Entry {
  store: Store<LiveAnswer | null>;
  message: Message | null;
  run: AttachedRun | null;
  /** When the answer was begun, in this page's time. */
  began: number;
}

export type Schedule = (work: () => void) => void;

/** Runs the work with the next frame, or soon where frames do not come because the page is hidden. */
export const onFrame: Schedule = (work) => {
  if (typeof document === "undefined" || document.hidden) setTimeout(work, 100);
  else requestAnimationFrame(work);
};

/** The answers of the page: each that is running is a run to which the page is attached. Rows watch one each. */
export class Answers {
  readonly #entries = new Map<string, Entry>();
  readonly #grown = new Set<Entry>();
  readonly #connection: Connection;
  readonly #gone: (message: Message) => void;
  readonly #schedule: Schedule;

  /** `gone` hears of an answer whose run is no more, so that the message has to be asked for. */
  constructor(connection: Connection, gone: (message: Message) => void, schedule: Schedule = onFrame) {
    this.#connection = connection;
    this.#gone = gone;
    this.#schedule = schedule;
  }

  watch(messageId: string): Store<LiveAnswer | null> {
    return this.#entry(messageId).store;
  }

  run(messageId: string): AttachedRun | null {
    return this.#entries.get(messageId)?.run ?? null;
  }

  /** A message as the server tells it. */
  take(message: Message): void {
    const { answer } = message;
    if (!answer) return;
    const entry = this.#entry(message.id);
    entry.message = message;
    if (!isRunning(answer)) this.#detach(entry);
    else if (answer.runId !== null && entry.run?.id !== answer.runId) this.#attach(entry, answer.runId);
    this.#show(entry);
  }

  forget(messageIds: Iterable<string>): void {
    for (const id of messageIds) {
      const entry = this.#entries.get(id);
      if (entry) this.#detach(entry);
      this.#entries.delete(id);
    }
  }

  #attach(entry: Entry, runId: string): void {
    this.#detach(entry);
    const run = (entry.run = attachRun(this.#connection, runId));
    entry.began = Date.now() - (entry.message?.answer?.elapsed ?? 0) * 1000;
    let waits = true;
    run.onChange((state) => {
      if (entry.run !== run) return;
      if (waits && state.live && waitsNot(state)) {
        waits = false;
        if (!entry.message?.answer?.elapsed) entry.began = Date.now();
      }
      if (state.state === "gone" && entry.message) this.#gone(entry.message);
      this.#grew(entry);
    });
  }

  #detach(entry: Entry): void {
    const { run } = entry;
    entry.run = null;
    run?.detach();
  }

  #entry(messageId: string): Entry {
    let entry = this.#entries.get(messageId);
    if (!entry) {
      entry = { store: new Store<LiveAnswer | null>(null), message: null, run: null, began: 0 };
      this.#entries.set(messageId, entry);
    }
    return entry;
  }

  #show(entry: Entry): void {
    entry.store.set(liveAnswer(entry));
  }

  #grew(entry: Entry): void {
    this.#grown.add(entry);
    if (this.#grown.size > 1) return;
    this.#schedule(() => {
      for (const grown of this.#grown) grown.store.set(liveAnswer(grown));
      this.#grown.clear();
    });
  }
}

function waitsNot(state: RunState): boolean {
  return state.state !== "queued" && state.status?.status !== "starting" && state.status?.status !== "busy";
}

function liveAnswer({ message, run, began }: Entry): LiveAnswer | null {
  if (!message?.answer) return null;
  const { answer, text } = message;
  const told = { text, pieces: storedPieces(text, answer.tools), reasoning: answer.reasoning, answer, place: 0, status: null, tool: null, asks: [], deciders: [], since: Date.now(), live: true };
  if (answer.state !== "running") return { ...told, phase: answer.state };
  const state = run?.state;
  if (!state || state.state === null || state.state === "gone") return { ...told, phase: text ? "answering" : "thinking" };
  const parts = livePieces(state.parts);
  const pieces = parts.length > 0 ? parts : told.pieces;
  const said = parts.length > 0 ? textOf(parts) : text;
  const live = {
    ...told,
    text: said,
    pieces,
    reasoning: reasoningOf(state.parts),
    answer: { ...answer, elapsed: (Date.now() - began) / 1000 },
    place: state.status?.place ?? 0,
    status: state.status?.status ?? null,
    tool: typeof state.status?.title === "string" ? toolTitle(state.status.title, state.status.server as string | null | undefined) : null,
    asks: state.asks,
    deciders: decidersIn(state.parts),
    live: state.live,
  };
  if (state.state === "running") return { ...live, phase: said ? "answering" : "thinking" };
  if (state.state === "queued" || state.state === "waiting") return { ...live, phase: state.state };
  // Its end, until the message comes as it was stored.
  return { ...live, phase: state.state, answer: { ...live.answer, state: state.state, error: state.error } };
}

function reasoningOf(parts: readonly Part[]): string {
  return parts.flatMap((part) => (part.kind === "reasoning" ? [part.text] : [])).join("\n\n");
}

function decidersIn(parts: readonly Part[]): readonly Decider[] {
  const found = parts.find((part) => part.kind === "data" && part.name === "deciders");
  return found?.kind === "data" ? (found.value as Decider[]) : [];
}

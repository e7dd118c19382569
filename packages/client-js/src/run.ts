import { callWhenConnected } from "./calls.js";
import type { Connection } from "./connection.js";
import { contentOf, type Kept, type RunState } from "./content.js";
import { follow } from "./follow.js";
import type { Item, RunInfo } from "./items.js";
import { notifier } from "./notifier.js";
import { keepIn, type RunStorage } from "./storage.js";

export interface AttachOptions {
  /** Where parts and position are kept, so that a page that is loaded again goes on from there: `sessionStorage`. */
  storage?: RunStorage | undefined;
  /**
   * Where to go on, if nothing is found in the storage: a position, where the application itself has kept what came before
   * it; or a run that was attached to another connection, whose parts are taken over.
   */
  after?: string | Kept | null | undefined;
}

/** A run that is followed until it has ended, or `detach` is called. `for await (const state of run)` gives its newest state, until the end. */
export interface AttachedRun extends AsyncIterable<RunState> {
  readonly id: string;
  /** As it is now; the same object until it changes. */
  readonly state: RunState;
  /** The position of the last item that has been applied; null before the first. */
  readonly position: string | null;
  /** Settles with the last state: at the end, when the run is gone, or when we detach. */
  readonly done: Promise<RunState>;
  /** Calls the listener after each change; what arrives together is told once. Returns what ends it. */
  onChange(listener: (state: RunState) => void): () => void;
  /** Ends the run, whatever happens to the connection meanwhile. What was written stays. */
  stop(): Promise<RunInfo>;
  /** Answers a question. Fails when somebody was quicker, it has expired, or the value does not fit. */
  answer(askId: string, value: unknown): Promise<void>;
  /** Sends a message into the running answer; the id under which `steered` names it. */
  steer(value: unknown): Promise<string>;
  /** Stops watching. The run goes on. */
  detach(): void;
}

/** Follows a run over cut connections, restarts of the connection and, with a storage, reloads of the page. */
export function attachRun(connection: Connection, runId: string, options: AttachOptions = {}): AttachedRun {
  const over = new AbortController();
  const keeping = keepIn(options.storage, runId, () => ({ position: content.position, state: content.state() }));
  const { after = null } = options;
  const kept = keeping.kept ?? (typeof after === "object" ? after : null);
  const content = contentOf(kept, typeof after === "string" ? after : null);
  const { subscribe, changed } = notifier(content.state);
  let settle: (state: RunState) => void;
  const done = new Promise<RunState>((resolve) => (settle = resolve));

  let detachStream: ((completed?: boolean) => void) | undefined;
  const touched = () => {
    keeping.changed();
    changed();
    if (!content.ended) return;
    close(true);
  };
  const close = (completed?: boolean) => {
    if (over.signal.aborted) return;
    over.abort();
    detachStream?.(completed);
    if (!content.ended) content.lost(null);
    changed();
    keeping.close();
    settle(content.state());
  };
  if (kept) changed();
  if (content.ended) {
    close(true);
  } else {
    detachStream = follow<Item>(connection, "AttachRun", {
      args: () => [runId, content.position],
      item(item) {
        content.apply(item);
        touched();
      },
      lost(error) {
        content.lost(error);
        touched();
      },
      refused(error) {
        content.gone(error);
        touched();
      },
    });
  }

  const call = <T>(again: boolean, method: string, ...args: unknown[]): Promise<T> =>
    callWhenConnected(connection, again, () => connection.invoke<T>(method, runId, ...args));
  return {
    id: runId,
    get state() {
      return content.state();
    },
    get position() {
      return content.position;
    },
    done,
    onChange: subscribe,
    stop: () => call(true, "StopRun"),
    answer: (askId, value) => call(false, "AnswerRun", askId, value),
    steer: (value) => call(false, "SteerRun", value),
    detach: () => close(),
    async *[Symbol.asyncIterator]() {
      let given: RunState | undefined;
      let wake = () => {};
      const end = subscribe(() => wake());
      try {
        for (;;) {
          const state = content.state();
          if (state !== given) yield (given = state);
          else if (over.signal.aborted) return;
          else await new Promise<void>((resolve) => (wake = resolve));
        }
      } finally {
        end();
      }
    },
  };
}

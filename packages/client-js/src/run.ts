import { callWhenConnected } from "./calls.js";
import type { Connection } from "./connection.js";
import { contentOf, type Kept, type RunState } from "./content.js";
import { follow } from "./follow.js";
import type { Item, RunInfo } from "./items.js";
import { notifier, type Notifier } from "./notifier.js";
import { keepIn, type RunStorage } from "./storage.js";

export interface AttachOptions {
  /** The storage of parts and position, from which a reloaded page continues, such as `sessionStorage`. */
  storage?: RunStorage | undefined;
  /**
   * Where to continue, if the storage has nothing: a position, if the application itself has kept the content before it;
   * or a run that was attached to another connection, whose parts are taken over.
   */
  after?: string | Kept | null | undefined;
}

/** A run that is followed until it has ended, or until `detach`. `for await (const state of run)` gives its newest state, until the end. */
export interface AttachedRun extends AsyncIterable<RunState> {
  readonly id: string;
  /** The present state; the same object until it changes. */
  readonly state: RunState;
  /** The position of the last item that has been applied; null before the first. */
  readonly position: string | null;
  /** Settles with the last state: at the end, when the run is gone, or when we detach. */
  readonly done: Promise<RunState>;
  /** Calls the listener after each change, once for items that arrive together. Returns a function that ends this. */
  onChange(listener: (state: RunState) => void): () => void;
  /** Ends the run, even if the connection is lost meanwhile. The written content stays. */
  stop(): Promise<RunInfo>;
  /** Answers a question. Fails when it was already answered, has expired, or the value does not match its schema. */
  answer(askId: string, value: unknown): Promise<void>;
  /** Sends a message to the running answer; returns its id in `steered`. */
  steer(value: unknown): Promise<string>;
  /** Stops watching. The run goes on. */
  detach(): void;
}

/** Follows a run over lost connections, restarts of the connection and, with a storage, reloads of the page. */
export function attachRun(connection: Connection, runId: string, { storage, after = null }: AttachOptions = {}): AttachedRun {
  const over = new AbortController();
  const keeping = keepIn(storage, runId, () => ({ position: content.position, state: content.state() }));
  const kept = keeping.kept ?? (typeof after === "object" ? after : null);
  const content = contentOf(kept, typeof after === "string" ? after : null);
  const { subscribe, changed } = notifier(content.state);
  let settle: (state: RunState) => void;
  const done = new Promise<RunState>((resolve) => (settle = resolve));

  let detachStream: ((completed?: boolean) => void) | undefined;
  const touched = () => {
    keeping.changed();
    changed();
    if (content.ended) close(true);
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

  return {
    ...callsOf(connection, runId),
    id: runId,
    get state() {
      return content.state();
    },
    get position() {
      return content.position;
    },
    done,
    onChange: subscribe,
    detach: () => close(),
    [Symbol.asyncIterator]: () => newest(content.state, subscribe, over.signal),
  };
}

/** The calls for a run. Only `stop` may be repeated. */
function callsOf(connection: Connection, runId: string): Pick<AttachedRun, "stop" | "answer" | "steer"> {
  const call = <T>(again: boolean, method: string, ...args: unknown[]): Promise<T> =>
    callWhenConnected(connection, again, () => connection.invoke<T>(method, runId, ...args));
  return {
    stop: () => call(true, "StopRun"),
    answer: (askId, value) => call(false, "AnswerRun", askId, value),
    steer: (value) => call(false, "SteerRun", value),
  };
}

/** Yields the newest value after each change, until `over`. Values that were replaced before they were read are skipped. */
async function* newest<T>(read: () => T, subscribe: Notifier<T>["subscribe"], over: AbortSignal): AsyncGenerator<T> {
  let given: T | undefined;
  let wake = () => {};
  const end = subscribe(() => wake());
  try {
    for (;;) {
      const value = read();
      if (value !== given) yield (given = value);
      else if (over.aborted) return;
      else await new Promise<void>((resolve) => (wake = resolve));
    }
  } finally {
    end();
  }
}

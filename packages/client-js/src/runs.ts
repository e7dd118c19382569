import type { Connection } from "./connection.js";
import { follow } from "./follow.js";
import type { RunInfo, RunsItem } from "./items.js";
import { notifier } from "./notifier.js";

/** The state of the runs of a room, or of one's own. */
export interface RunsState {
  /** The oldest first. Ended runs stay until the list is requested again. */
  readonly runs: readonly RunInfo[];
  /** Whether this state is current. */
  readonly live: boolean;
  /** Why there is no list, if the server gave an error. */
  readonly error: string | null;
}

export const NO_RUNS: RunsState = Object.freeze({ runs: [], live: false, error: null });

export interface WatchedRuns {
  /** The present state; the same object until it changes. */
  readonly state: RunsState;
  /** Calls the listener after each change. Returns a function that ends this. */
  onChange(listener: (state: RunsState) => void): () => void;
  /** Stops watching. */
  detach(): void;
}

/** The runs of a room with their states; `null`: those that we have started. Continues when the connection comes back. */
export function watchRuns(connection: Connection, room: string | null): WatchedRuns {
  let state = NO_RUNS;
  const { subscribe, changed } = notifier(() => state);
  const set = (change: Partial<RunsState>) => {
    state = { ...state, ...change };
    changed();
  };
  const end = follow<RunsItem>(connection, "WatchRuns", {
    args: () => [room],
    item(item) {
      if (item.kind === "runs") return set({ runs: item.runs, live: true, error: null });
      const known = state.runs.some((run) => run.id === item.info.id);
      set({ runs: known ? state.runs.map((run) => (run.id === item.info.id ? item.info : run)) : [...state.runs, item.info] });
    },
    lost: (error) => set({ live: false, error }),
    refused: (error) => set({ live: false, error }),
  });
  return {
    get state() {
      return state;
    },
    onChange: subscribe,
    detach: () => {
      end();
      if (state.live) set({ live: false });
    },
  };
}

import { useCallback, useMemo, useSyncExternalStore } from "react";
import { connectionState, type Connection, type ConnectionState } from "./connection.js";
import { UNKNOWN, type RunState } from "./content.js";
import { Pool } from "./pool.js";
import { attachRun, type AttachedRun, type AttachOptions } from "./run.js";
import { NO_RUNS, watchRuns, type RunsState } from "./runs.js";

const attached = new Pool<AttachedRun>();
const watched = new Pool<ReturnType<typeof watchRuns>>();
const nothing = () => () => {};

/** The present state of a run, and its calls. While the run id is `null`, the state is empty and the calls fail. */
export type UsedRun = RunState & Pick<AttachedRun, "stop" | "answer" | "steer">;

/**
 * Follows a run as long as the component is mounted. Components that use the same run share one stream, with the options
 * of the first. Options are read when the stream begins; changing them later changes nothing.
 */
export function useRun(connection: Connection, runId: string | null, { storage, after }: AttachOptions = {}): UsedRun {
  const subscribe = useCallback(
    (listener: () => void) =>
      runId === null ? nothing() : attached.use(connection, runId, () => attachRun(connection, runId, { storage, after }), listener),
    [connection, runId],
  );
  const state = useSyncExternalStore(
    subscribe,
    () => (runId === null ? undefined : attached.get(connection, runId))?.state ?? UNKNOWN,
    () => UNKNOWN,
  );
  return useMemo(() => {
    const run = () => {
      const found = runId === null ? undefined : attached.get(connection, runId);
      return found ? Promise.resolve(found) : Promise.reject(new Error("No run is attached."));
    };
    return {
      ...state,
      stop: async () => (await run()).stop(),
      answer: async (askId: string, value: unknown) => (await run()).answer(askId, value),
      steer: async (value: unknown) => (await run()).steer(value),
    };
  }, [connection, runId, state]);
}

/** The runs of a room, or with `null` one's own, while the component is mounted. */
export function useRuns(connection: Connection, room: string | null): RunsState {
  const key = JSON.stringify(room);
  const subscribe = useCallback(
    (listener: () => void) => watched.use(connection, key, () => watchRuns(connection, room), listener),
    [connection, key, room],
  );
  return useSyncExternalStore(
    subscribe,
    () => watched.get(connection, key)?.state ?? NO_RUNS,
    () => NO_RUNS,
  );
}

const ELSEWHERE: ConnectionState = { status: "disconnected", error: null, retryAt: null };

/** The state of a connection. */
export function useConnectionState(connection: Connection): ConnectionState {
  const state = connectionState(connection);
  const subscribe = useCallback((listener: () => void) => state.subscribe(listener), [state]);
  return useSyncExternalStore(
    subscribe,
    () => state.value,
    () => ELSEWHERE,
  );
}

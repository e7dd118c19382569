import { useCallback, useEffect, useMemo, useRef, useSyncExternalStore } from "react";
import { Pool } from "./pool.js";
import type { Room, RoomConnection, RoomSignal } from "./rooms.js";
import { NO_ROOM, shownRoom, type RoomState, type ShownRoom, type ShownRoomOptions } from "./shown-room.js";

export type { RoomState };

export interface UseRoomOptions extends ShownRoomOptions {
  /** Something that is not kept: who types, a cursor. May be another function at each rendering. */
  onSignal?: ((signal: RoomSignal) => void) | undefined;
}

/** The present state of a room, and its calls. While the name is `null`, the state is empty and the calls fail. */
export interface UsedRoom<T = unknown> extends RoomState<T>, Pick<Room<T>, "send" | "signal" | "setState"> {
  /** Shows older messages, before those that are shown. Resolves with whether there are still older ones. */
  older(limit?: number): Promise<boolean>;
}

const joined = new Pool<ShownRoom<any>>();
const nothing = () => () => {};

/**
 * Is in a room as long as the component is mounted. Components that use the same room of a connection share it, with the
 * options of the first. Options are read when it is joined; changing them later changes nothing.
 */
export function useRoom<T = unknown>(connection: RoomConnection, name: string | null, options: UseRoomOptions = {}): UsedRoom<T> {
  const latest = useRef(options.onSignal);
  useEffect(() => {
    latest.current = options.onSignal;
  });
  const subscribe = useCallback(
    (listener: () => void) => {
      if (name === null) return nothing();
      const { onSignal: _, ...given } = options;
      const end = joined.use(connection, name, () => shownRoom<T>(connection, name, given), listener);
      const off = joined.get(connection, name)?.onSignal((signal) => latest.current?.(signal));
      return () => {
        off?.();
        end();
      };
    },
    [connection, name],
  );
  const state: RoomState<T> = useSyncExternalStore(
    subscribe,
    () => (name === null ? undefined : joined.get(connection, name))?.state ?? NO_ROOM,
    () => NO_ROOM,
  );
  const calls = useMemo(() => {
    const shown = (): ShownRoom<T> => {
      const found = name === null ? undefined : joined.get(connection, name);
      if (!found) throw new Error("No room is joined.");
      return found;
    };
    return {
      send: async (data: T, key?: string) => shown().room.send(data, key),
      signal: (kind: string, value?: unknown) => void (name !== null && joined.get(connection, name)?.room.signal(kind, value)),
      setState: async (value: unknown) => shown().room.setState(value),
      older: async (limit?: number) => shown().older(limit),
    };
  }, [connection, name]);
  return useMemo(() => ({ ...state, ...calls }), [state, calls]);
}

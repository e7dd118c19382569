import { notifier } from "./notifier.js";
import {
  joinRoom,
  type Room,
  type RoomConnection,
  type RoomMember,
  type RoomMessage,
  type RoomOptions,
  type RoomSignal,
  type RoomStatus,
} from "./rooms.js";

/** How many messages are shown without `keep`. Ours. */
const KEEP = 1_000;

/** What a page shows of a room: an object that never changes. */
export interface RoomState<T = unknown> {
  /** Without a gap between them, the oldest first. */
  readonly messages: readonly RoomMessage<T>[];
  /** Whether messages before these were missed or are not shown: `older` may have them. */
  readonly gap: boolean;
  readonly members: readonly RoomMember[];
  readonly status: RoomStatus;
}

export const NO_ROOM: RoomState<never> = Object.freeze({
  messages: [],
  gap: false,
  members: [],
  status: { live: false, error: null, closed: false },
});

export interface ShownRoomOptions extends Pick<RoomOptions, "history" | "device" | "state" | "visible" | "presence"> {
  /** How many messages to show; older ones are forgotten, except those that `older` has asked for. Default: 1,000. */
  keep?: number | undefined;
}

/** A joined room as a state that changes. */
export interface ShownRoom<T> {
  readonly state: RoomState<T>;
  readonly room: Room<T>;
  onChange(listener: () => void): () => void;
  onSignal(listener: (signal: RoomSignal) => void): () => void;
  older(limit?: number): Promise<boolean>;
  detach(): void;
}

export function shownRoom<T>(connection: RoomConnection, name: string, options: ShownRoomOptions = {}): ShownRoom<T> {
  const signals = new Set<[(signal: RoomSignal) => void]>();
  let { keep = KEEP, ...given } = options;
  let state: RoomState<T> = NO_ROOM;
  const { subscribe, changed } = notifier(() => state);
  const set = (change: Partial<RoomState<T>>) => {
    state = { ...state, ...change };
    changed();
  };
  const room = joinRoom<T>(connection, name, {
    ...given,
    onMessage(message) {
      const messages = [...state.messages, message];
      const more = messages.length > keep;
      set(more ? { messages: messages.slice(-keep), gap: true } : { messages });
    },
    onGap: () => set({ messages: [], gap: true }),
    onPresence: (members) => set({ members }),
    onSignal: (signal) => signals.forEach(([listener]) => listener(signal)),
    onStatus: (status) => set({ status }),
  });
  return {
    get state() {
      return state;
    },
    room,
    onChange: subscribe,
    onSignal(listener) {
      const entry: [typeof listener] = [listener];
      signals.add(entry);
      return () => void signals.delete(entry);
    },
    async older(limit = 50) {
      const first = state.messages[0]?.position ?? null;
      const { messages, more } = await room.history(first, limit);
      if ((state.messages[0]?.position ?? null) !== first) return true; // others came in front of them meanwhile
      keep = Math.max(keep, state.messages.length + messages.length);
      set({ messages: [...messages, ...state.messages], gap: more });
      return more;
    },
    detach: () => room.leave(),
  };
}

import type { Kept, RunState } from "./content.js";

/** The used part of `sessionStorage`, `localStorage`, or a similar object. */
export interface RunStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

const PREFIX = "hubline:run:";
/** The time (ms) between two writes while a run is active. After a reload, only the items since the last write are sent again. */
const EVERY = 500;

export interface Keeping {
  /** The stored value; null when there is none, or none that can be read. */
  readonly kept: Kept | null;
  /** Stores the result of `read`, soon. */
  changed(): void;
  /** Stores it at once, for the last time. */
  close(): void;
}

/** Keeps one run in a storage, also when the page is left. Errors of the storage are ignored. */
export function keepIn(storage: RunStorage | undefined, runId: string, read: () => Kept): Keeping {
  if (!storage) return { kept: null, changed() {}, close() {} };
  const key = PREFIX + runId;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const write = () => {
    if (timer === undefined) return;
    timer = void clearTimeout(timer);
    try {
      const value = JSON.stringify(read());
      try {
        storage.setItem(key, value);
      } catch {
        makeRoom(storage, key);
        storage.setItem(key, value);
      }
    } catch {
      // An old position with old parts is correct too, only older.
    }
  };
  const events = typeof window === "undefined" ? undefined : window;
  events?.addEventListener("pagehide", write);
  return {
    kept: load(storage, key),
    changed() {
      timer ??= setTimeout(write, EVERY);
    },
    close() {
      write();
      events?.removeEventListener("pagehide", write);
    },
  };
}

function load(storage: RunStorage, key: string): Kept | null {
  try {
    const kept = JSON.parse(storage.getItem(key) ?? "null") as Kept | null;
    return kept && isPosition(kept.position) && isState(kept.state) ? kept : null;
  } catch {
    return null;
  }
}

function isPosition(position: unknown): boolean {
  return position === null || typeof position === "string";
}

/** Whether the value can be shown: a storage may contain anything, for example data of another version. */
function isState({ parts, asks, steered, unread, usage, text }: RunState): boolean {
  return (
    [parts, asks, steered, unread, usage].every(Array.isArray) &&
    typeof text === "string" &&
    parts.every((part) => typeof part?.part === "string" && (part.kind === "data" || typeof part.text === "string")) &&
    asks.every((ask) => typeof ask?.askId === "string")
  );
}

/** The storage is full: remove the data of other runs. Runs that are being followed are written again. */
function makeRoom(storage: RunStorage, except: string): void {
  for (const key of Object.keys(storage)) {
    if (key.startsWith(PREFIX) && key !== except) storage.removeItem(key);
  }
}

import type { Ask, Item, Part, RunStateName, Status, Steered, TextPart, Usage } from "./items.js";

/** The state of a run. It never changes: the next state is another object, and shares unchanged parts with this one. */
export interface RunState {
  /** Everything that was written and not retracted, in order. */
  readonly parts: readonly Part[];
  /** The text parts joined. */
  readonly text: string;
  /** The last status of the server's work; null without one, and at the end. */
  readonly status: Status | null;
  /** Null before the first item; `gone` when the run does not exist (any more), or we may not see it. */
  readonly state: RunStateName | "gone" | null;
  /** The questions that wait for a person. */
  readonly asks: readonly Ask[];
  /** The messages that the answer has received. */
  readonly steered: readonly Steered[];
  /** Ids of messages that it never received; known at the end. */
  readonly unread: readonly string[];
  /** The usage of each model; known at the end. */
  readonly usage: readonly Usage[];
  /** Why it failed, or is gone; before the end, why we cannot follow it at the moment. */
  readonly error: string | null;
  /** Whether this state is current: false while we catch up, or have no connection. */
  readonly live: boolean;
  /** Nothing more will come. */
  readonly ended: boolean;
}

/** The state before the first item. */
export const UNKNOWN: RunState = Object.freeze({
  parts: [],
  text: "",
  status: null,
  state: null,
  asks: [],
  steered: [],
  unread: [],
  usage: [],
  error: null,
  live: false,
  ended: false,
});

type Parts = Map<string, Part>;

/** The stored form of a run: parts and position are always stored together, so that they match. An attached run has this form too. */
export interface Kept {
  readonly position: string | null;
  readonly state: RunState;
}

/** The content of one run, built from its items. */
export interface Content {
  /** The position of the last item. */
  position: string | null;
  /** Nothing more will come. */
  readonly ended: boolean;
  /** The present state. */
  state(): RunState;
  apply(item: Item): void;
  /** The stream is lost: drops an incomplete snapshot, and the state is no longer current. */
  lost(error: string | null): void;
  gone(error: string): void;
}

export function contentOf(kept: Kept | null, after: string | null): Content {
  let now: RunState = kept ? revived(kept.state) : UNKNOWN;
  let parts: Parts = named(now.parts);
  let pending: { parts: Parts; state: RunStateName; asks: readonly Ask[] } | undefined;
  let stale = false; // whether `parts` has changed since `now` was made

  const content: Content = {
    position: kept ? kept.position : after,
    get ended() {
      return now.ended;
    },
    state() {
      if (stale) {
        stale = false;
        const list = [...parts.values()];
        now = { ...now, parts: list, text: textOf(list) };
      }
      return now;
    },
    apply(item) {
      if (item.kind === "snapshot") {
        pending = { parts: named(item.parts), state: item.state, asks: item.asks };
      } else if (!changeParts(pending?.parts ?? parts, item)) {
        now = changed(now, item);
      } else if (!pending) {
        stale = true;
        now = working(now);
      }
      if (typeof item.position !== "string") return; // more of the snapshot follows; until then the old parts stay
      content.position = item.position;
      if (!pending) return;
      parts = pending.parts;
      stale = true;
      now = { ...now, state: pending.state, asks: pending.asks, status: null, error: null };
      pending = undefined;
    },
    lost(error) {
      pending = undefined;
      if (now.live || now.error !== error) now = { ...now, live: false, error };
    },
    gone(error) {
      now = { ...now, state: "gone", error, status: null, asks: [], live: false, ended: true };
    },
  };
  return content;
}

/** The state to continue with. A run that was gone is requested once more: the user may have signed in. */
function revived(state: RunState): RunState {
  return { ...state, ...(state.state === "gone" ? { state: null, ended: false, error: null } : null), live: false };
}

/** Applies an item to the parts; false when the item does not concern them. */
function changeParts(parts: Parts, item: Item): boolean {
  switch (item.kind) {
    case "text":
    case "reasoning": {
      const { part, kind, text } = item;
      parts.set(part, { part, kind, text: ((parts.get(part) as TextPart | undefined)?.text ?? "") + text });
      return true;
    }
    case "data": {
      const { part, kind, name, value } = item;
      parts.set(part, { part, kind, name, value });
      return true;
    }
    case "retract":
      for (const part of item.parts) parts.delete(part);
      return true;
    default:
      return false;
  }
}

/** The function is running: it waits neither for its turn nor for a person. */
function working(now: RunState): RunState {
  const waits = now.state === null || now.state === "queued";
  if (!waits && now.error === null) return now;
  return { ...now, state: waits ? "running" : now.state, status: now.status?.status === "queued" ? null : now.status, error: null };
}

/** Applies an item to the rest of the state. Unknown kinds are ignored. */
function changed(now: RunState, item: Item): RunState {
  switch (item.kind) {
    case "status": {
      const { kind: _, position: __, ...status } = item;
      return status.status === "queued" ? { ...now, status, state: "queued", error: null } : { ...working(now), status };
    }
    case "ask": {
      const { askId, prompt, schema, expiresAt } = item;
      return { ...now, asks: [...without(now.asks, askId), { askId, prompt, schema, expiresAt }], state: "waiting", error: null };
    }
    case "answered": {
      const asks = without(now.asks, item.askId);
      return { ...now, asks, state: asks.length ? "waiting" : "running" };
    }
    case "steered": {
      const { steerId, by, value } = item;
      return { ...now, steered: [...now.steered, { steerId, by, value }] };
    }
    case "live":
      return { ...now, live: true, error: null };
    case "end": {
      const { state, error, usage, unread } = item;
      return { ...now, state, error, usage, unread, asks: [], status: null, live: true, ended: true };
    }
    default:
      return now;
  }
}

function without(asks: readonly Ask[], askId: string): readonly Ask[] {
  return asks.filter((ask) => ask.askId !== askId);
}

function named(parts: readonly Part[]): Parts {
  return new Map(parts.map((part) => [part.part, part]));
}

function textOf(parts: readonly Part[]): string {
  let text = "";
  for (const part of parts) if (part.kind === "text") text += part.text;
  return text;
}

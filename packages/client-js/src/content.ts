import type { Ask, Item, Part, RunStateName, Status, Steered, TextPart, Usage } from "./items.js";

/** A run at a moment. It never changes: the next moment is another object, in which what is the same is the same object. */
export interface RunState {
  /** Everything that was written and not taken back, in order. */
  readonly parts: readonly Part[];
  /** The text parts joined. */
  readonly text: string;
  /** What the server said last of its work; null where it said nothing, and at the end. */
  readonly status: Status | null;
  /** Null until something is known; `gone` when there is no such run (any more), or we may not see it. */
  readonly state: RunStateName | "gone" | null;
  /** The questions that wait for a person. */
  readonly asks: readonly Ask[];
  /** The messages that the answer has taken up. */
  readonly steered: readonly Steered[];
  /** Ids of messages that it never took up; known at the end. */
  readonly unread: readonly string[];
  /** What each model has used; known at the end. */
  readonly usage: readonly Usage[];
  /** Why it failed, or is gone; before the end, what keeps us from following it at the moment. */
  readonly error: string | null;
  /** Whether this is how things are: false while we catch up, or have no connection. */
  readonly live: boolean;
  /** Nothing more will come. */
  readonly ended: boolean;
}

/** Nothing is known yet. */
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

/** What goes into storage and comes back: parts and position always together, so that they fit. An attached run is one too. */
export interface Kept {
  readonly position: string | null;
  readonly state: RunState;
}

/** The content of one run, as its items make it. */
export interface Content {
  /** The position of the last item. */
  position: string | null;
  /** Nothing more will come. */
  readonly ended: boolean;
  /** The present moment. */
  state(): RunState;
  apply(item: Item): void;
  /** The stream has gone: half a snapshot is worth nothing, and we are not up to date. */
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
      if (typeof item.position !== "string") return; // more of the snapshot follows, and until then we show what we had
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

/** As it is taken up again. What was gone is asked for once more: perhaps somebody has signed in. */
function revived(state: RunState): RunState {
  return { ...state, ...(state.state === "gone" ? { state: null, ended: false, error: null } : null), live: false };
}

/** Does what an item says of the parts; false when it says nothing of them. */
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

/** The function does something: it waits neither for its turn nor for a person. */
function working(now: RunState): RunState {
  const waits = now.state === null || now.state === "queued";
  if (!waits && now.error === null) return now;
  return { ...now, state: waits ? "running" : now.state, status: now.status?.status === "queued" ? null : now.status, error: null };
}

/** What an item says besides the parts. A kind that is not known yet says nothing. */
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

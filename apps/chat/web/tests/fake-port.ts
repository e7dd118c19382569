import type { FileServer } from "../src/messages/uploads";
import type { User } from "../src/account/api";
import type { Answer, Budget, Entered, Me, Message, Person, Room, ServerCalls } from "../src/connection/contract";
import { SignedOut } from "../src/connection/errors";
import type { HubPort, OpenPort, PortEvents, TransportChoice } from "../src/connection/hub-port";

interface StreamSubscriber {
  next(item: unknown): void;
  error(error: unknown): void;
  complete(): void;
}

type Reply = (...args: never[]) => unknown;

/** Ports under the test's hand: what was called is written down, and answered as `replies` says. */
export class FakeHub {
  readonly calls: [method: string, ...args: unknown[]][] = [];
  readonly choices: TransportChoice[] = [];
  replies: Record<string, Reply> = {};
  reachable = true;
  sessionOver = false;
  #position = 0;
  /** The streams that are open, each with what it was asked for. */
  readonly streams: { args: unknown[]; subscriber: StreamSubscriber }[] = [];
  #current: { events: PortEvents; cut(): void } | null = null;
  /** What hears the calls of rooms, as method and handler. */
  #listeners: [string, (...args: unknown[]) => unknown][] = [];

  readonly open: OpenPort = (events, choice): HubPort => {
    this.choices.push(choice);
    this.#listeners = [];
    let open = false;
    return {
      get transport() {
        return open ? "WebSockets" : null;
      },
      get open() {
        return open;
      },
      start: async () => {
        if (!this.reachable) throw new Error("unreachable");
        if (this.sessionOver) throw new SignedOut();
        open = true;
        this.#current = { events, cut: () => (open = false) };
      },
      stop: async () => {
        open = false;
      },
      invoke: async (method, ...args) => {
        this.calls.push([method, ...args]);
        return (this.replies[method] as ((...args: unknown[]) => unknown) | undefined)?.(...args);
      },
      on: (...listener) => void this.#listeners.push(listener),
      off: (_method, handler) => void (this.#listeners = this.#listeners.filter((each) => each[1] !== handler)),
      send: async (method, ...args) => void this.calls.push([method, ...args]),
      stream: (method, ...args) => {
        this.calls.push([method, ...args]);
        return {
          subscribe: (subscriber: StreamSubscriber) => {
            this.streams.push({ args, subscriber });
            return { dispose: () => void this.streams.splice(0, this.streams.length, ...this.streams.filter((each) => each.subscriber !== subscriber)) };
          },
        } as never;
      },
    };
  };

  drop(): void {
    const current = this.#current;
    this.#current = null;
    current?.cut();
    for (const { subscriber } of this.streams.splice(0)) subscriber.error(new Error("dropped"));
    current?.events.closed(new Error("dropped"));
  }

  call<K extends keyof ServerCalls>(name: K, ...args: ServerCalls[K]): void {
    this.#current?.events.called(name, args);
  }

  /** A call of the library's rooms. */
  tell(method: string, ...args: unknown[]): void {
    if (this.#current) for (const [name, handler] of [...this.#listeners]) if (name === method) handler(...args);
  }

  /** The next items of a run, for all that are attached to it. */
  write(runId: string, ...items: Record<string, unknown>[]): void {
    for (const item of items) {
      const made = { position: `p${++this.#position}`, ...item };
      for (const { args, subscriber } of [...this.streams]) if (args[0] === runId) subscriber.next(made);
    }
  }

  /** A new token was asked for and refused. */
  endSession(): void {
    this.#current?.events.signedOut();
  }

  named(method: string): unknown[][] {
    return this.calls.filter(([name]) => name === method).map(([, ...args]) => args);
  }
}

/** A server that takes no files. */
export const NO_FILES: FileServer = { upload: () => Promise.reject(new Error("no files")), discard: async () => undefined, url: (file) => file.id, exportUrl: (roomId) => roomId };

export const ADA: Person = { id: "ada", name: "Ada", kind: "person" };
export const USER: User = { id: "ada", name: "Ada", role: "member", tier: "free" };
export const ME: Me = { ...ADA, role: "member", tier: "free" };
export const BUDGET: Budget = { tokensPerDay: 20_000, left: 12_400, resetsAt: "2026-01-02T00:00:00Z", questionsAtOnce: 2 };
export const AI: Person = { id: "ai", name: "Assistant", kind: "assistant" };

export function room(id: string, lastSeq = 0): Room {
  return { id, name: id, topic: "", people: 1, lastSeq, isPrivate: false, members: [] };
}

export function entered(rooms: Room[], instance: string | null = null): Entered {
  return {
    me: ME, rooms, reads: rooms.map(({ id, lastSeq }) => ({ roomId: id, seq: lastSeq, mentions: [] })), budget: BUDGET, server: { version: "1", instance },
    assistant: { name: "Assistant", model: "m", state: "ready", detail: null, models: [{ id: "standard", name: "Standard", tier: "guest" }, { id: "premium", name: "Premium", tier: "premium" }], currency: "USD" },
  };
}

export function message(seq: number, more: Partial<Message> = {}): Message {
  return { id: `m${seq}`, roomId: "r", seq, kind: "person", author: ADA, text: `text ${seq}`, sentAt: "2026-01-01T10:00:00Z", ...more };
}

export function answer(seq: number, state: Answer["state"], text = ""): Message {
  const runId = state === "running" ? `run${seq}` : null;
  const details: Answer = { state, runId, askedBy: ADA, questionId: `m${seq - 1}`, startedAt: null, endedAt: null, elapsed: 0, model: "standard", reasoning: "" };
  return message(seq, { kind: "assistant", author: AI, text, answer: details });
}

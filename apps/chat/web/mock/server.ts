/** A chat server inside the page, for work on the looks without a backend. Not part of the build. */
import type { Item } from "@hubline/client";
import type { Answer, Around, Budget, Found, Later, SearchResult, Me, Message, Opened, Person, Room, RoomState, ServerCalls } from "../src/connection/contract";
import type { HubPort, OpenPort, PortEvents } from "../src/connection/hub-port";
import { SignedOut } from "../src/connection/errors";
import type { Present } from "../src/rooms/presence";
import type { MockAccounts } from "./accounts";
import { ANSWERS, MEMBERS, PEOPLE, ROOMS, asMember, history } from "./material";

const ASSISTANT: Person = { id: "assistant", name: "Assistant", kind: "assistant" };

interface MockRoom {
  room: Room;
  messages: Message[];
  people: Present[];
}

type StreamSubscriber = { next(item: Item): void; complete(): void };

/** What is written of one answer, from its beginning. */
class MockRun {
  stopped = false;
  readonly #items: Item[] = [];
  readonly #viewers = new Set<StreamSubscriber>();

  constructor(readonly id: string) {}

  write(body: Record<string, unknown>): void {
    const item = { ...body, position: String(this.#items.length + 1) } as Item;
    this.#items.push(item);
    for (const viewer of this.#viewers) this.#give(viewer, item);
  }

  attach(after: string | null, viewer: StreamSubscriber): { dispose(): void } {
    this.#viewers.add(viewer);
    for (const item of this.#items.slice(Number(after ?? 0))) this.#give(viewer, item);
    this.#give(viewer, { kind: "live", position: String(this.#items.length) });
    return { dispose: () => this.#viewers.delete(viewer) };
  }

  #give(viewer: StreamSubscriber, item: Item): void {
    viewer.next(item);
    if (item.kind === "end") viewer.complete();
  }
}

export class MockServer {
  reachable = true;
  tokenDelay = 30;
  failJoin = false;
  joinDelay = 40;
  readonly rooms = new Map<string, MockRoom>();
  budget: Budget = { tokensPerDay: 20_000, left: 12_400, resetsAt: new Date(Date.now() + 7 * 3600_000).toISOString(), questionsAtOnce: 2 };
  #ports = new Set<PortEvents>();
  #runs = new Map<string, MockRun>();
  #nextId = 0;

  constructor(readonly accounts: MockAccounts, readonly many = 0) {
    accounts.changed = (user) => user.id === accounts.user?.id && this.call("AccountChanged", this.#me);
    for (const plain of ROOMS) {
      const isPrivate = plain.id === "secret";
      const room = { ...plain, isPrivate, members: isPrivate ? MEMBERS : [] };
      const people = room.id === "lounge" ? [] : PEOPLE;
      const messages = history(room.id, ASSISTANT, many);
      this.rooms.set(room.id, { room: { ...room, lastSeq: messages.length, people: people.length }, messages, people });
    }
  }

  readonly open: OpenPort = (events, choice): HubPort => {
    let isOpen = false;
    const names = { auto: "WebSockets", webSockets: "WebSockets", serverSentEvents: "Server-Sent Events", longPolling: "Long polling" } as const;
    return {
      get transport() {
        return isOpen ? names[choice] : null;
      },
      get open() {
        return isOpen;
      },
      start: async () => {
        await pause(150);
        if (!this.reachable) throw new Error("unreachable");
        if (!this.accounts.user) throw new SignedOut();
        isOpen = true;
        this.#ports.add({ ...events, closed: (error) => ((isOpen = false), events.closed(error)) });
      },
      stop: async () => {
        isOpen = false;
        this.#ports.clear();
      },
      invoke: async (method, ...args) => {
        await pause(20);
        if (!isOpen) throw new Error("closed");
        return this.#answer(method, args);
      },
      send: async (method, ...args) => void this.#answer(method, args),
      on: () => undefined, off: () => undefined, // nobody comes or goes
      stream: (method, runId: string, after: string | null) => ({
        subscribe: (subscriber) => method === "WatchRuns" ? { dispose: () => undefined } : this.#runs.get(runId)!.attach(after, subscriber as StreamSubscriber),
      }),
    };
  };

  /** Cuts all connections; with `reachable = false` they cannot come back. */
  drop(reachable = true): void {
    this.reachable = reachable;
    for (const port of [...this.#ports]) port.closed(new Error("dropped"));
    this.#ports.clear();
  }

  /** Uses up the day's tokens, or gives some back. */
  spend(left: number): void {
    this.budget = { ...this.budget, left };
    this.call("BudgetChanged", this.budget);
  }

  /** Ends the session, as when it was ended elsewhere. */
  expire(): void {
    this.accounts.user = null;
    this.drop();
  }

  get #me(): Me {
    const user = this.accounts.user;
    return { id: "nobody", name: "Nobody", role: "guest", tier: "guest", ...user, kind: "person" };
  }

  call<K extends keyof ServerCalls>(name: K, ...args: ServerCalls[K]): void {
    for (const port of this.#ports) port.called(name, args);
  }

  say(roomId: string, author: Person, text: string, more: Partial<Message> = {}): Message {
    const home = this.#home(roomId);
    const seq = home.messages.length + 1;
    const id = `m${++this.#nextId}-${roomId}`;
    const message: Message = { id, roomId, seq, kind: author.kind, author, text, sentAt: new Date().toISOString(), ...more };
    home.messages.push(message);
    home.room = { ...home.room, lastSeq: seq };
    this.call("ReceiveMessage", message);
    this.call("RoomsChanged", this.#list());
    return message;
  }

  async answer(roomId: string, question: Message, which?: number, model = "standard", place = 0): Promise<void> {
    const run = new MockRun(`run${++this.#nextId}`);
    this.#runs.set(run.id, run);
    const answer: Answer = {
      state: "running", runId: run.id, askedBy: question.author, questionId: question.id,
      startedAt: new Date().toISOString(), endedAt: null, elapsed: 0, error: null, model, reasoning: "",
    };
    const message = this.say(roomId, ASSISTANT, "", { answer });
    for (let left = place; left > 0; left--) {
      run.write({ kind: "status", status: "queued", place: left });
      await pause(1500);
    }
    run.write({ kind: "status", status: "thinking" });
    await pause(1200);
    const text = ANSWERS[which ?? this.#nextId % ANSWERS.length] ?? "";
    const begin = Date.now();
    for (const piece of text.match(/\s*\S{1,6}/g) ?? []) {
      if (run.stopped) break;
      run.write({ kind: "text", part: "1", text: piece });
      message.text += piece;
      await pause(this.tokenDelay);
    }
    const state = run.stopped ? "stopped" : "completed";
    run.write({ kind: "end", state, error: null, usage: [], unread: [] });
    message.answer = { ...answer, state, elapsed: 1.2 + (Date.now() - begin) / 1000, endedAt: new Date().toISOString() };
    this.call("MessageChanged", { ...message });
  }

  #answer(method: string, args: unknown[]): unknown {
    const [first, second, third] = args as [string, string, string];
    switch (method) {
      case "Enter":
        return { me: this.#me, rooms: this.#list(), reads: this.#list().map(({ id, lastSeq }) => ({ roomId: id, seq: id === "python" ? lastSeq - (this.many > 0 ? 120 : 3) : lastSeq, mentions: id === "python" ? [lastSeq - 1] : [] })), budget: this.budget, assistant: { name: "Assistant", model: "SmolLM2 135M", models: [{ id: "standard", name: "Standard", tier: "guest", note: "SmolLM2 135M" }], currency: "USD", state: "ready", detail: null }, server: { version: "0.1.0", instance: "mock" } };
      case "OpenRoom":
        return this.#opened(first, args[1] as number | null);
      case "JoinRoom":
        return { position: "mock-0", complete: true, messages: [], members: this.#here(first).map(asMember) };
      case "LoadEarlier": {
        const older = this.#home(first).messages.filter((message) => message.seq < Number(second));
        return pause(600).then(() => ({ messages: older.slice(-50), hasMore: older.length > 50 }));
      }
      case "LoadAround":
        return this.#around(first, second);
      case "LoadLater": {
        const newer = this.#home(first).messages.filter((message) => message.seq > Number(second));
        return pause(200).then((): Later => ({ messages: newer.slice(0, 50), hasMore: newer.length > 50 }));
      }
      case "Search":
        return pause(150).then(() => this.#search(first, args[1] as string | null, args[2] as number));
      case "RoomState":
        return (this.rooms.has(first) ? "open" : first === "hidden" ? "private" : "gone") satisfies RoomState;
      case "SendMessage":
      case "Ask": {
        if (third === "fail") throw new Error("An unexpected error occurred. HubError: The room is read-only today.");
        const message = this.say(first, this.#me, third, { clientMessageId: second });
        if (method === "Ask" || third.toLowerCase().startsWith("@ai ")) {
          const which = ANSWERS.findIndex((_, index) => third.includes(`#${index}`));
          setTimeout(() => void this.answer(first, message, which < 0 ? undefined : which, "standard"), 250);
        }
        return message;
      }
      case "StopRun":
        return void (this.#runs.get(first)!.stopped = true);
      case "RetryAnswer": {
        const [home, old] = [...this.rooms.values()].flatMap((each) => each.messages.filter((m) => m.id === first).map((m) => [each, m] as const))[0] ?? [];
        const question = home?.messages.find((message) => message.id === old?.answer?.questionId) ?? home?.messages[0];
        if (home && question) void this.answer(home.room.id, question);
        return home?.messages.at(-1);
      }
      case "CreateRoom": {
        const id = `r${++this.#nextId}`;
        const isPrivate = args[1] === true;
        const members = isPrivate ? [{ id: this.#me.id, name: this.#me.name, isOwner: true }] : [];
        this.rooms.set(id, { room: { id, name: first, topic: "", people: 1, lastSeq: 0, isPrivate, members }, messages: [], people: [] });
        this.call("RoomsChanged", this.#list());
        return this.#home(id).room;
      }
      case "ChangeRoom":
        return this.#change(first, { name: second, topic: third });
      case "ArchiveRoom":
        return this.#change(first, { isArchived: args[1] as boolean });
      case "RetainMessages":
        return this.#change(first, { retentionDays: args[1] as number | null });
      case "DeleteRoom":
        this.rooms.delete(first);
        return this.call("RoomGone", first, "You have deleted it.");
      case "CreateConversation": {
        const id = `c${++this.#nextId}`;
        const me = { id: this.#me.id, name: this.#me.name, isOwner: true };
        const room: Room = { id, name: "New conversation", topic: "", people: 0, lastSeq: 0, isPrivate: true, members: [me], owners: [me.id], asks: true, isConversation: true };
        this.rooms.set(id, { room, messages: [], people: [] });
        this.call("RoomsChanged", this.#list());
        return room;
      }
      case "React": {
        const message = [...this.rooms.values()].flatMap((each) => each.messages).find((each) => each.id === first)!;
        const others = (message.reactions ?? []).map((each) => ({ ...each, people: each.people.filter((person) => each.emoji !== second || person.id !== this.#me.id) }));
        const mine = others.find((each) => each.emoji === second) ?? { emoji: second, people: [] };
        const people = args[2] === true ? [...mine.people, this.#me] : mine.people;
        message.reactions = [...others.filter((each) => each.emoji !== second), { emoji: second, people }].filter((each) => each.people.length > 0);
        this.call("MessageChanged", { ...message });
        return { ...message };
      }
      case "CreatePair": {
        const members = [this.#me, PEOPLE.find((each) => each.id === first)!].map(({ id, name }) => ({ id, name, isOwner: false }));
        const room: Room = { id: `p-${first}`, name: members[1]!.name, topic: "", people: 0, lastSeq: 0, isPrivate: true, members, owners: [], isPair: true };
        if (!this.rooms.has(room.id)) this.rooms.set(room.id, { room, messages: [], people: [] });
        this.call("RoomsChanged", this.#list());
        return room;
      }
      case "FindPeople":
        return pause(200).then(() => PEOPLE.filter((person) => person.name.toLowerCase().startsWith(first.toLowerCase())));
      case "AddMember":
        return this.#addMember(first, second);
      case "RemoveMember":
        return this.#removeMember(first, second);
      default:
        return new Date().toISOString();
    }
  }

  async #opened(roomId: string, since: number | null): Promise<Opened> {
    await pause(this.joinDelay);
    if (this.failJoin) throw new Error("HubError: The history of this room cannot be read at the moment.");
    const { room, messages } = this.#home(roomId);
    const missed = since === null ? messages.slice(-50) : messages.filter((message) => message.seq > since);
    return { room: { ...room, people: this.#here(roomId).length }, messages: structuredClone(missed), hasMore: messages.length > 50, reset: since === null };
  }

  #here(roomId: string): Present[] {
    return [...this.#home(roomId).people.filter((person) => person.id !== this.#me.id), { ...this.#me, devices: 1 }];
  }

  async #around(roomId: string, messageId: string): Promise<Around> {
    await pause(100);
    const { messages } = this.#home(roomId);
    const at = messages.findIndex((message) => message.id === messageId);
    if (at < 0) throw new Error("HubError: This message does not exist any more.");
    const from = Math.max(0, at - 25);
    return { messages: structuredClone(messages.slice(from, at + 26)), hasMore: from > 0, hasLater: at + 26 < messages.length };
  }

  /** Messages with all the words somewhere in them; every second part of an excerpt is one of them. */
  #search(query: string, roomId: string | null, skip: number): SearchResult {
    const words = query.toLowerCase().split(/[^\p{L}\p{N}]+/u).filter(Boolean);
    const pattern = new RegExp(`(${words.join("|")})`, "iu");
    const fits = [...this.rooms.values()]
      .filter((each) => roomId === null || each.room.id === roomId)
      .flatMap((each) => each.messages)
      .filter((message) => words.length > 0 && words.every((word) => [message.text, ...(message.files ?? []).map((file) => file.name)].join("\n").toLowerCase().includes(word)))
      .toSorted((a, b) => b.sentAt.localeCompare(a.sentAt));
    const found = fits.slice(skip, skip + 20).map(({ id, roomId, seq, author, sentAt, text, files = [] }): Found => {
      const named = files.map((file) => file.name.split(pattern)).filter((parts) => parts.length > 1);
      return { messageId: id, roomId, seq, author, sentAt, excerpt: text.slice(0, 180).split(pattern), files: named };
    });
    return { found, hasMore: fits.length > skip + 20 };
  }

  #change(roomId: string, change: Partial<Room>): Room {
    const home = this.#home(roomId);
    home.room = { ...home.room, ...change };
    this.call("RoomsChanged", this.#list());
    return home.room;
  }

  #addMember(roomId: string, name: string): Room {
    const person = PEOPLE.find((each) => each.name.toLowerCase() === name.toLowerCase());
    if (!person) throw new Error(`HubError: There is nobody named ${name}.`);
    const { room } = this.#home(roomId);
    return this.#setMembers(roomId, [...room.members, { id: person.id, name: person.name, isOwner: false }]);
  }

  #removeMember(roomId: string, personId: string): Room {
    const { room } = this.#home(roomId);
    const changed = this.#setMembers(roomId, room.members.filter((member) => member.id !== personId));
    if (personId === this.#me.id) {
      this.rooms.delete(roomId);
      this.call("RoomGone", roomId, `You have left ${room.name}.`);
    }
    return changed;
  }

  #setMembers(roomId: string, members: Room["members"]): Room {
    const home = this.#home(roomId);
    home.room = { ...home.room, members };
    this.call("RoomsChanged", this.#list());
    return home.room;
  }

  #list(): Room[] {
    return [...this.rooms.values()].map((each) => each.room);
  }

  #home(roomId: string): MockRoom {
    const home = this.rooms.get(roomId);
    if (!home) throw new Error("HubError: There is no such room.");
    return home;
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

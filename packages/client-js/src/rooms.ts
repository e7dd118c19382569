import { delayBefore } from "./backoff.js";
import { callWhenConnected } from "./calls.js";
import { linkOf, type Connection } from "./connection.js";
import { messageOf } from "./errors.js";
import { reporting } from "./notifier.js";

/** A connection on which the server calls methods. */
export interface RoomConnection extends Connection {
  on(method: string, handler: (...args: any[]) => any): void;
  off(method: string, handler: (...args: any[]) => any): void;
}

export interface RoomMessage<T = unknown> {
  /** Names the message; a later join goes on after it. */
  readonly position: string;
  /** When the server got it: ISO 8601 in UTC. */
  readonly at: string;
  /** The id of the user, or the name of an agent; null for an anonymous user and for the application. */
  readonly by: string | null;
  /** The key with which it was sent, by which a client finds its own message. */
  readonly key: string | null;
  readonly data: T;
}

export interface RoomMember {
  /** Unique in the room. */
  readonly key: string;
  readonly user: string | null;
  /** Whether it is a bot or a model. */
  readonly agent: boolean;
  readonly state: unknown;
  readonly devices: readonly { readonly id: string; readonly name: string | null; readonly since: string | null }[];
}

export interface RoomChange {
  readonly kind: "enter" | "update" | "leave";
  readonly member: RoomMember;
}

export interface RoomSignal {
  readonly kind: string;
  readonly value: unknown;
  readonly by: string | null;
  readonly agent: boolean;
  readonly connectionId: string | null;
}

export interface RoomStatus {
  /** Whether messages arrive at present. */
  readonly live: boolean;
  /** Why not, if the server gave an error. */
  readonly error: string | null;
  /** The server does not let us in, or has taken us out: nothing is tried again. */
  readonly closed: boolean;
}

export interface RoomOptions<T = unknown> {
  /** Go on after this position, of a message or of `room.position`. Default: begin with what the server keeps. */
  since?: string | null | undefined;
  /** How many messages to begin with at most, without `since`. */
  history?: number | undefined;
  /** What this client calls itself, such as "phone". */
  device?: string | undefined;
  /** The first state of the member. */
  state?: unknown;
  /** Whether we are a member, and whether we are told of members. Default: true. */
  visible?: boolean | undefined;
  presence?: boolean | undefined;
  /** Each message once, in the order of the room; those that were missed too. */
  onMessage?: ((message: RoomMessage<T>) => void) | undefined;
  /** The messages before the next one are not all there: load again what depends on them. */
  onGap?: (() => void) | undefined;
  /** The members, and what has changed; null when the list is new. */
  onPresence?: ((members: readonly RoomMember[], change: RoomChange | null) => void) | undefined;
  /** Something that is not kept: who types, a cursor. */
  onSignal?: ((signal: RoomSignal) => void) | undefined;
  onStatus?: ((status: RoomStatus) => void) | undefined;
}

export interface Room<T = unknown> {
  readonly name: string;
  /** Up to where we have heard; keep it to go on from there after a reload. Null before the first join. */
  readonly position: string | null;
  readonly members: readonly RoomMember[];
  readonly status: RoomStatus;
  /** Adds a message, once, even if the connection is lost meanwhile. Resolves with its position. */
  send(data: T, key?: string): Promise<string>;
  /** Tells the others something that is not kept. Without a connection it is dropped. */
  signal(kind: string, value?: unknown): void;
  /** Sets our state, on all our devices, now and after each reconnect. */
  setState(state: unknown): Promise<void>;
  /** Older messages: those before a position. `more`: whether there are still older ones. */
  history(before?: string | null, limit?: number): Promise<{ messages: RoomMessage<T>[]; more: boolean }>;
  /** Leaves at once, and ends this. */
  leave(): void;
}

interface Joined<T> {
  position: string;
  complete: boolean;
  messages: RoomMessage<T>[];
  members: RoomMember[];
  /** The number of the newest change that `members` includes; older servers do not say it. */
  changes?: number;
}

const FOR_GOOD = /The room does not exist\.$|Method does not exist\.$|user is unauthorized$/;

/** One who has joined a room. */
interface User {
  readonly options: RoomOptions<any>;
  /** Another one has joined the same room. The server has sent nothing until then, since it is the same connection. */
  joined(found: readonly RoomMessage<any>[], members: Map<string, RoomMember>, changes: number): void;
}

/** Who has joined each room on a connection: it is left with the last one. */
const users = new WeakMap<Connection, Map<string, Set<User>>>();

/** Joins a room, and joins it again at each reconnect, from where it was. */
export function joinRoom<T = unknown>(connection: RoomConnection, name: string, options: RoomOptions<T> = {}): Room<T> {
  const link = linkOf(connection);
  const over = new AbortController();
  const rooms = users.get(connection) ?? new Map<string, Set<User>>();
  users.set(connection, rooms);
  const all = rooms.get(name) ?? new Set<User>();
  rooms.set(name, all);
  let position = options.since ?? null;
  let state: unknown = options.state ?? null;
  /** Kept for the others too who use the room, if we do not want them. */
  let members = new Map<string, RoomMember>();
  /** The number of the newest change that they include. */
  let changes = 0;
  let status: RoomStatus = { live: false, error: null, closed: false };
  /** The calls of the server while we join; undefined when we do not. */
  let early: (() => void)[] | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let attempt = 0;

  const set = (live: boolean, error: string | null, closed = false) => {
    if (status.live === live && status.error === error && status.closed === closed) return;
    status = { live, error, closed };
    reporting(() => options.onStatus?.(status));
  };
  const list = () => (options.presence === false ? [] : [...members.values()]);
  const give = (message: RoomMessage<T>) => {
    position = message.position;
    reporting(() => options.onMessage?.(message));
  };
  const missing = () => reporting(() => options.onGap?.());
  const show = (change: RoomChange | null) => {
    if (options.presence !== false) reporting(() => options.onPresence?.(list(), change));
  };
  const replace = (found: Map<string, RoomMember>, number: number) => {
    members = found;
    changes = number;
    show(null);
  };
  /** What the server has of us for all who use the room: false if all of them want that. */
  const unless = (what: "visible" | "presence") => ([...all].every(({ options }) => options[what] === false) ? false : undefined);

  const join = async () => {
    if (over.signal.aborted || connection.state !== "Connected") return;
    timer = void clearTimeout(timer);
    const mine: (() => void)[] = (early = []);
    const { history, device } = options;
    const told = state;
    const wanted = { history, device, visible: unless("visible"), presence: unless("presence"), state };
    const given = Object.entries(wanted).filter(([, value]) => value !== undefined);
    try {
      const found = await connection.invoke<Joined<T>>("JoinRoom", name, position, Object.fromEntries(given));
      if (early !== mine) return;
      early = undefined;
      attempt = 0;
      if (position !== null && !found.complete) missing();
      found.messages.forEach(give);
      position = found.position;
      const listed = new Map(found.members.map((member) => [member.key, member]));
      replace(listed, found.changes ?? 0);
      for (const call of mine) call();
      if (!early) set(true, null);
      for (const other of all) if (other !== me) other.joined(found.messages, found.changes === undefined ? listed : members, changes);
      if (state !== told) connection.invoke("SetRoomState", name, state).catch(() => {}); // it was set meanwhile
    } catch (error) {
      if (early !== mine) return;
      early = undefined;
      const message = messageOf(error);
      if (connection.state !== "Connected") return set(false, null);
      if (FOR_GOOD.test(message)) return end(message);
      set(false, message);
      timer = setTimeout(join, delayBefore(attempt++));
    }
  };

  const heard: Record<string, (value: any) => void> = {
    RoomMessage(message: RoomMessage<T>) {
      const [epoch, number] = split(message.position);
      const [ours, last] = split(position ?? "");
      if (epoch === ours && number <= last) return;
      if (epoch === ours && number === last + 1) give(message);
      else void join(); // something on the way was dropped
    },
    RoomGap(gap: { position: string }) {
      const [epoch, number] = split(gap.position);
      const [ours, last] = split(position ?? "");
      if (epoch === ours && number <= last) return;
      position = gap.position;
      missing();
    },
    RoomPresence(change: RoomChange & { number?: number }) {
      const { number = Infinity } = change;
      if (number <= changes) return; // it was still on its way
      if (number < Infinity) changes = number;
      members = new Map(members);
      if (change.kind === "leave") members.delete(change.member.key);
      else members.set(change.member.key, change.member);
      show(change);
    },
    RoomSignal: (signal: RoomSignal) => reporting(() => options.onSignal?.(signal)),
    RoomClosed: () => end("The room does not exist."),
  };
  const handlers = Object.entries(heard).map(([method, handle]) => {
    const handler = (room: string, value: unknown) => {
      if (room !== name || over.signal.aborted) return;
      const call = () => handle(value);
      if (early) early.push(call);
      else if (status.live) call();
    };
    connection.on(method, handler);
    return () => connection.off(method, handler);
  });
  const unsubscribe = link.subscribe(({ status: now }) => {
    if (now === "connected") {
      if (!early && !status.live && timer === undefined) void join();
      return;
    }
    early = undefined;
    timer = void clearTimeout(timer);
    attempt = 0;
    set(false, null);
  });

  const end = (error: string | null) => {
    if (over.signal.aborted) return false;
    over.abort();
    clearTimeout(timer);
    unsubscribe();
    for (const off of handlers) off();
    early = undefined;
    all.delete(me);
    set(false, error, error !== null);
    return all.size === 0;
  };
  const me: User = {
    options,
    joined(messages, members, changes) {
      if (early || !status.live) return; // we get our own answer
      for (const message of messages) heard["RoomMessage"]?.(message);
      if (!early) replace(members, changes);
    },
  };
  all.add(me);
  void join();

  const call = <R>(method: string, ...args: unknown[]): Promise<R> =>
    callWhenConnected(connection, true, () => connection.invoke<R>(method, name, ...args), over.signal);
  return {
    name,
    get position() {
      return position;
    },
    get members() {
      return list();
    },
    get status() {
      return status;
    },
    send: (data, key = unique()) => call("SendToRoom", data, key),
    signal(kind, value = null) {
      if (status.live) connection.invoke("SignalRoom", name, kind, value).catch(() => {});
    },
    async setState(value) {
      state = value;
      if (status.live) await connection.invoke("SetRoomState", name, value);
    },
    history: (before = null, limit = 50) => call("RoomHistory", before, limit),
    leave() {
      if (end(null) && connection.state === "Connected") connection.invoke("LeaveRoom", name).catch(() => {});
    },
  };
}

/** The epoch and the number of a position. */
function split(position: string): [string, number] {
  const at = position.lastIndexOf("-");
  return [position.slice(0, at), Number(position.slice(at + 1))];
}

function unique(): string {
  return `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`;
}

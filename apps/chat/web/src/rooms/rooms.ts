import type { Answers } from "../answers/answers";
import type { Connection } from "../connection/connection";
import type { Earlier, Joined, Message, Person, Room } from "../connection/contract";
import { ConnectionLost, Refused, sentence } from "../connection/errors";
import type { Box } from "../ui/storage";
import { Store } from "../ui/store";
import { ReadMarks } from "./read-marks";
import { FRESH_VIEW, healSince, lastSeq, oldestSeq, trimmed, withEarlier, withJoined, withMessage, type RoomView } from "./room-view";

/** The rooms of the server and what is in the one that is shown. The page is joined to that one only. */
export class Rooms {
  /** Null until the server has told them. */
  readonly list = new Store<readonly Room[] | null>(null);
  readonly active = new Store<string | null>(null);
  readonly marks: ReadMarks;
  readonly #views = new Map<string, Store<RoomView>>();
  readonly #healing = new Set<string>();
  readonly #connection: Connection;
  readonly #answers: Answers;
  readonly #box: Box;

  constructor(connection: Connection, answers: Answers, box: Box) {
    this.#connection = connection;
    this.#answers = answers;
    this.#box = box;
    this.marks = new ReadMarks(box);
  }

  view(roomId: string): Store<RoomView> {
    let view = this.#views.get(roomId);
    if (!view) this.#views.set(roomId, (view = new Store(FRESH_VIEW)));
    return view;
  }

  room(roomId: string | null): Room | undefined {
    return this.list.value?.find((room) => room.id === roomId);
  }

  /** After (re)connecting: the list is new, the open room is joined again and healed. */
  async restore(rooms: readonly Room[], wanted: string | null): Promise<void> {
    this.list.set(rooms);
    this.marks.begin(rooms);
    const candidates = [this.active.value, wanted, this.#box.read("last-room"), rooms[0]?.id ?? null];
    const roomId = candidates.find((id) => this.room(id)) ?? null;
    if (roomId !== this.active.value && roomId !== null) this.#open(roomId);
    this.active.set(roomId);
    if (roomId) await this.#join(roomId);
  }

  /** Shows another room. */
  async show(roomId: string): Promise<void> {
    const old = this.active.value;
    if (roomId === old || !this.room(roomId)) return;
    this.#open(roomId);
    this.active.set(roomId);
    if (old) this.#connection.tell("LeaveRoom", old);
    await this.retry(roomId);
  }

  /** Joins again; called for a room whose loading failed, or that must be healed. */
  async retry(roomId: string): Promise<void> {
    try {
      await this.#join(roomId);
    } catch (error) {
      if (!(error instanceof ConnectionLost)) throw error;
    }
  }

  async create(name: string, isPrivate: boolean): Promise<Room> {
    return this.#put(await this.#connection.invoke<Room>("CreateRoom", name, isPrivate));
  }

  async addMember(roomId: string, name: string): Promise<void> {
    this.#put(await this.#connection.invoke<Room>("AddMember", roomId, name));
  }

  async removeMember(roomId: string, personId: string): Promise<void> {
    this.#put(await this.#connection.invoke<Room>("RemoveMember", roomId, personId));
  }

  /** Gives up a private room; the server tells by `RoomGone` when that is done. */
  async leaveForGood(roomId: string, me: string): Promise<void> {
    await this.#connection.invoke("RemoveMember", roomId, me);
  }

  /** A room that cannot be seen any more: nothing of it stays here, and another one is shown in its place. */
  gone(roomId: string): void {
    this.list.update((rooms) => rooms && rooms.filter((room) => room.id !== roomId));
    const view = this.#views.get(roomId);
    if (view) this.#answers.forget(view.value.messages.map((message) => message.id));
    this.#views.delete(roomId);
    if (this.active.value !== roomId) return;
    const next = this.list.value?.[0]?.id ?? null;
    this.active.set(null);
    if (next) void this.show(next);
  }

  async loadEarlier(roomId: string): Promise<void> {
    const view = this.view(roomId);
    if (view.value.status !== "ready" || !view.value.hasMore || view.value.earlier === "loading") return;
    view.update((value) => ({ ...value, earlier: "loading" }));
    try {
      const before = oldestSeq(view.value.messages);
      const earlier = await this.#connection.invoke<Earlier>("LoadEarlier", roomId, before);
      for (const message of earlier.messages) this.#answers.take(message);
      view.update((value) => withEarlier(value, earlier));
    } catch {
      view.update((value) => ({ ...value, earlier: "error" }));
    }
  }

  take(message: Message): void {
    this.#answers.take(message);
    this.#views.get(message.roomId)?.update((view) => ({ ...view, messages: withMessage(view.messages, message) }));
    this.list.update((rooms) => rooms && withLastSeq(rooms, message));
  }

  /** What was said before a number is gone for everybody. */
  cleared(roomId: string, before: number): void {
    this.#views.get(roomId)?.update((view) => {
      this.#answers.forget(view.messages.filter((message) => message.seq < before).map((message) => message.id));
      return { ...view, messages: view.messages.filter((message) => message.seq === 0 || message.seq >= before), hasMore: false };
    });
  }

  setPeople(roomId: string, people: readonly Person[]): void {
    this.#views.get(roomId)?.update((view) => ({ ...view, people }));
  }

  setTyping(roomId: string, typing: readonly string[]): void {
    this.#views.get(roomId)?.update((view) => ({ ...view, typing }));
  }

  /** The reader is at the bottom of the room and sees it. */
  markRead(roomId: string): void {
    this.marks.mark(roomId, lastSeq(this.view(roomId).value.messages));
  }

  trim(roomId: string): void {
    this.view(roomId).update(trimmed);
  }

  /** An answer has ended unheard: the room is joined again, once at a time. */
  async heal(roomId: string): Promise<void> {
    if (roomId !== this.active.value || this.#healing.has(roomId)) return;
    this.#healing.add(roomId);
    try {
      await this.retry(roomId);
    } finally {
      this.#healing.delete(roomId);
    }
  }

  #put(room: Room): Room {
    this.list.update((rooms) => {
      const at = rooms?.findIndex((each) => each.id === room.id) ?? -1;
      return at < 0 ? [...(rooms ?? []), room] : (rooms?.with(at, room) ?? [room]);
    });
    return room;
  }

  #open(roomId: string): void {
    this.#box.write("last-room", roomId);
    const read = this.marks.read(roomId);
    const unread = (this.room(roomId)?.lastSeq ?? 0) > read && read > 0;
    this.view(roomId).update((view) => ({ ...trimmed(view), newAfter: unread ? read : null, typing: [] }));
  }

  async #join(roomId: string): Promise<void> {
    const view = this.view(roomId);
    if (view.value.status === "error") view.update((value) => ({ ...value, status: "loading", error: null }));
    let since = view.value.status === "ready" ? healSince(view.value.messages) : null;
    try {
      let joined = await this.#connection.invoke<Joined>("JoinRoom", roomId, since);
      if (joined.room.lastSeq < lastSeq(view.value.messages)) {
        view.set(FRESH_VIEW);
        since = null;
        joined = await this.#connection.invoke<Joined>("JoinRoom", roomId, null);
      }
      for (const message of joined.messages) this.#answers.take(message);
      view.update((value) => withJoined(value, joined, since));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      view.update((value) => ({ ...value, status: "error", error: sentence(error) }));
    }
  }
}

function withLastSeq(rooms: readonly Room[], message: Message): readonly Room[] {
  const at = rooms.findIndex((room) => room.id === message.roomId);
  const room = rooms[at];
  return room && room.lastSeq < message.seq ? rooms.with(at, { ...room, lastSeq: message.seq }) : rooms;
}

import type { Answers } from "../answers/answers";
import type { Connection } from "../connection/connection";
import { isRunning, type Around, type Earlier, type Opened, type Message, type Person, type Room } from "../connection/contract";
import { ConnectionLost, Refused, sentence } from "../connection/errors";
import type { Box } from "../ui/storage";
import { Store } from "../ui/store";
import { seenBy } from "./pairs";
import { withoutPerson } from "./removed";
import { ReadMarks } from "./read-marks";
import { FRESH_VIEW, has, healSince, heardUntil, lastSeq, oldestSeq, refreshed, trimmed, withEarlier, withOpened, withNews, withoutCleared, type RoomView } from "./room-view";

/** The rooms of the server and what is in the one that is shown. The page is opened to that one only. */
export class Rooms {
  /** Null until the server has told them. */
  readonly list = new Store<readonly Room[] | null>(null);
  readonly active = new Store<string | null>(null);
  /** The room that the address names and that this person cannot see; no room is shown then. */
  readonly missing = new Store<string | null>(null);
  readonly marks: ReadMarks;
  readonly #views = new Map<string, Store<RoomView>>();
  readonly #healing = new Set<string>();
  readonly #connection: Connection;
  readonly #answers: Answers;
  readonly #box: Box;
  readonly #me: string;
  /** The room that is shown while nobody sees the page. */
  #unseen: string | null = null;

  constructor(connection: Connection, answers: Answers, box: Box, me = "") {
    this.#me = me;
    this.#connection = connection;
    this.#answers = answers;
    this.#box = box;
    this.marks = new ReadMarks((roomId, seq) => this.#connection.invoke("MarkRead", roomId, seq));
  }

  /** All rooms, as the server tells them. */
  setList(rooms: readonly Room[]): void {
    this.list.set(rooms.map((room) => seenBy(this.#me, room)));
  }

  view(roomId: string): Store<RoomView> {
    let view = this.#views.get(roomId);
    if (!view) this.#views.set(roomId, (view = new Store(FRESH_VIEW)));
    return view;
  }

  room(roomId: string | null): Room | undefined {
    return this.list.value?.find((room) => room.id === roomId);
  }

  /** After (re)connecting: the list is new, the open room is opened again and healed. */
  async restore(rooms: readonly Room[], wanted: string | null): Promise<void> {
    this.setList(rooms);
    const asked = this.room(this.active.value) ? this.active.value : wanted;
    const candidates = asked === null ? [this.#box.read("last-room"), rooms[0]?.id ?? null] : [asked];
    const roomId = candidates.find((id) => this.room(id)) ?? null;
    this.missing.set(roomId === null ? asked : null);
    if (roomId !== this.active.value && roomId !== null) this.#open(roomId);
    this.active.set(roomId);
    if (roomId) await this.#join(roomId);
  }

  /** Shows the room of an address; one that this person cannot see is missing, and nothing stands in its place. */
  async visit(roomId: string): Promise<void> {
    if (this.room(roomId) || !this.list.value) return this.show(roomId);
    this.missing.set(roomId);
    this.active.set(null);
  }

  /** Shows another room. */
  async show(roomId: string): Promise<void> {
    if (roomId === this.active.value || !this.room(roomId)) return;
    this.#open(roomId);
    this.missing.set(null);
    this.active.set(roomId);
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

  async change(roomId: string, name: string, topic: string): Promise<void> {
    this.#put(await this.#connection.invoke<Room>("ChangeRoom", roomId, name, topic));
  }

  async archive(roomId: string, isArchived: boolean): Promise<void> {
    this.#put(await this.#connection.invoke<Room>("ArchiveRoom", roomId, isArchived));
  }

  async retain(roomId: string, days: number | null): Promise<void> {
    this.#put(await this.#connection.invoke<Room>("RetainMessages", roomId, days));
  }

  /** The model that answers in a room. */
  async choose(roomId: string, modelId: string): Promise<void> {
    this.#put(await this.#connection.invoke<Room>("ChooseModel", roomId, modelId));
  }

  /** What the room tells the assistant before everything else. */
  async instruct(roomId: string, prompt: string): Promise<void> {
    this.#put(await this.#connection.invoke<Room>("InstructAssistant", roomId, prompt));
  }

  /** Deletes a room; the server tells by `RoomGone` when that is done. */
  async remove(roomId: string): Promise<void> {
    await this.#connection.invoke("DeleteRoom", roomId);
  }

  /** A private conversation with the assistant. */
  async converse(): Promise<Room> {
    return this.#put(await this.#connection.invoke<Room>("CreateConversation"));
  }

  /** The conversation with another person. */
  async pair(personId: string): Promise<Room> {
    return this.#put(await this.#connection.invoke<Room>("CreatePair", personId));
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
      if (oldestSeq(view.value.messages) !== before) return view.update((value) => ({ ...value, earlier: "idle" })); // taken off meanwhile
      for (const message of earlier.messages) this.#answers.take(message);
      view.update((value) => withEarlier(value, earlier));
    } catch {
      view.update((value) => ({ ...value, earlier: "error" }));
    }
  }

  /** Loads older messages until a number is among them, a thousand messages at most. */
  async loadBack(roomId: string, seq: number): Promise<void> {
    const view = this.view(roomId);
    for (let pages = 0; pages < 20 && view.value.hasMore; pages++) {
      const oldest = oldestSeq(view.value.messages);
      if (oldest <= seq) return;
      await this.loadEarlier(roomId);
      if (view.value.earlier === "loading") await new Promise<void>((loaded) => { const end = view.subscribe(() => (end(), loaded())); });
      if (oldestSeq(view.value.messages) === oldest) return;
    }
  }

  take(message: Message): void {
    const view = this.#views.get(message.roomId);
    view?.update((value) => withNews(value, message));
    if (!view || message.seq === 0 || has(view.value, message.id)) this.#answers.take(message);
    this.list.update((rooms) => rooms && withLastSeq(rooms, message));
  }

  /** A message has another form. One that is not shown here, because it is older, stays away. */
  changed(message: Message): void {
    const view = this.#views.get(message.roomId);
    if (!view) return;
    if (!has(view.value, message.id)) return view.update((value) => refreshed(value, [message])); // others may reply to it
    if (message.isDeleted) this.#answers.forget([message.id]);
    this.#answers.take(message);
    view.update((value) => refreshed(value, [message]));
  }

  /** What was said before a number is gone for everybody. */
  cleared(roomId: string, before: number): void {
    this.#views.get(roomId)?.update((view) => {
      this.#answers.forget(view.messages.filter((message) => message.seq < before).map((message) => message.id));
      return { ...withoutCleared(view, before), hasMore: false };
    });
  }

  /** Somebody's account is removed: what they said has another name, or is gone. */
  removed(person: Person, isErased: boolean): void {
    for (const view of this.#views.values()) {
      view.update((value) => ({ ...value, messages: withoutPerson(value.messages, person, isErased) }));
      for (const message of view.value.messages) if (message.answer?.askedBy.id === person.id) this.#answers.take(message);
    }
  }

  setPrompt(roomId: string, prompt: string): void {
    this.#views.get(roomId)?.update((view) => ({ ...view, prompt }));
  }

  /** The reader is at the bottom of the room and sees it. */
  markRead(roomId: string): void {
    this.marks.mark(roomId, lastSeq(this.view(roomId).value.messages));
  }

  /** The page is hidden, or seen again: what comes meanwhile begins with the line "New". */
  seen(roomId: string, visible: boolean): void {
    const read = this.marks.read(roomId);
    this.#unseen = visible ? null : roomId;
    this.view(roomId).update((view) => {
      if (!visible) return { ...view, newAfter: Math.max(read, view.newAfter ?? 0) };
      return lastSeq(view.messages) > (view.newAfter ?? Infinity) ? view : { ...view, newAfter: null };
    });
  }

  /** I have read a room up to a message, perhaps on another device: nothing before it is new on a page that is hidden. */
  readElsewhere(roomId: string, seq: number): void {
    this.marks.changed(roomId, seq);
    if (roomId !== this.#unseen) return;
    this.view(roomId).update((view) => (view.newAfter === null || view.newAfter >= seq ? view : { ...view, newAfter: seq }));
  }

  trim(roomId: string): void {
    this.view(roomId).update(trimmed);
  }

  /** An answer has ended unheard: the room is opened again, once at a time. */
  async heal(roomId: string): Promise<void> {
    if (roomId !== this.active.value || this.#healing.has(roomId)) return;
    this.#healing.add(roomId);
    try {
      await this.retry(roomId);
    } finally {
      this.#healing.delete(roomId);
    }
  }

  #put(told: Room): Room {
    const room = seenBy(this.#me, told);
    this.list.update((rooms) => {
      const at = rooms?.findIndex((each) => each.id === room.id) ?? -1;
      return at < 0 ? [...(rooms ?? []), room] : (rooms?.with(at, room) ?? [room]);
    });
    return room;
  }

  #open(roomId: string): void {
    this.#box.write("last-room", roomId);
    const read = this.marks.read(roomId);
    const unread = (this.room(roomId)?.lastSeq ?? 0) > read;
    this.view(roomId).update((view) => ({ ...(view.hasLater ? FRESH_VIEW : trimmed(view)), newAfter: unread ? read : null }));
  }

  async #join(roomId: string): Promise<void> {
    const view = this.view(roomId);
    if (view.value.hasLater) return this.#joinAside(roomId, view);
    if (view.value.status === "error") view.update((value) => ({ ...value, status: "loading", error: null }));
    let since = view.value.status === "ready" ? healSince(view.value.messages) : null;
    const heard = since === null ? null : heardUntil(view.value.messages);
    try {
      let opened = await this.#connection.invoke<Opened>("OpenRoom", roomId, since, heard);
      if (opened.room.lastSeq < lastSeq(view.value.messages)) {
        view.set(FRESH_VIEW);
        since = null;
        opened = await this.#connection.invoke<Opened>("OpenRoom", roomId, null, null);
      }
      const { messages, changed = [], clearedBefore = 0 } = opened;
      for (const message of [...changed.filter((each) => has(view.value, each.id)), ...messages]) this.#answers.take(message);
      view.update((value) => withoutCleared(refreshed(withOpened(value, opened, since), changed), clearedBefore));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      view.update((value) => ({ ...value, status: "error", error: sentence(error) }));
    }
  }

  /** Joins while older messages are shown after a jump: they stay, in their present form. */
  async #joinAside(roomId: string, view: Store<RoomView>): Promise<void> {
    const { messages } = view.value;
    const place = messages.find((message) => isRunning(message.answer)) ?? messages[Math.floor(messages.length / 2)];
    try {
      const opened = await this.#connection.invoke<Opened>("OpenRoom", roomId, null, null);
      const around = await this.#around(roomId, opened.room.lastSeq < lastSeq(messages) ? undefined : place);
      for (const message of around?.messages ?? opened.messages) this.#answers.take(message);
      view.update((value) => (around ? refreshed(value, around.messages) : withOpened(FRESH_VIEW, opened, null)));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      view.set({ ...FRESH_VIEW, status: "error", error: sentence(error) });
    }
  }

  /** The messages around one of them; null when it is no more. */
  async #around(roomId: string, place: Message | undefined): Promise<Around | null> {
    if (!place) return null;
    try {
      return await this.#connection.invoke<Around>("LoadAround", roomId, place.id);
    } catch (error) {
      if (error instanceof Refused) return null;
      throw error;
    }
  }
}

function withLastSeq(rooms: readonly Room[], message: Message): readonly Room[] {
  const at = rooms.findIndex((room) => room.id === message.roomId);
  const room = rooms[at];
  return room && room.lastSeq < message.seq ? rooms.with(at, { ...room, lastSeq: message.seq, lastAt: message.sentAt }) : rooms;
}

import { createContext, use } from "react";
import type { User } from "./account/api";
import { Working } from "./conversations/working";
import { Notifications } from "./account/notifications";
import { Answers, onFrame, type Schedule } from "./answers/answers";
import { nameOf } from "./answers/names";
import { plainText } from "./answers/plain";
import { Connection } from "./connection/connection";
import { isRunning, type Assistant, type Budget, type Entered, type Me, type Message, type ServerCalls } from "./connection/contract";
import { ConnectionLost, sentence } from "./connection/errors";
import type { OpenPort, TransportChoice } from "./connection/hub-port";
import { said, t } from "./language/language";
import { inOwnZone } from "./messages/dates";
import { Drafts } from "./messages/drafts";
import { askingOf } from "./messages/asking";
import { Editing } from "./messages/editing";
import { asked, attached, Outbox, type Unsent } from "./messages/outbox";
import { Replies } from "./messages/replies";
import { Uploads, type FileServer } from "./messages/uploads";
import { Places } from "./rooms/places";
import { Presence } from "./rooms/presence";
import { Rooms } from "./rooms/rooms";
import { titleOf } from "./rooms/title";
import { MessageSearch } from "./search/search";
import { randomId } from "./ui/ids";
import type { Box } from "./ui/storage";
import { Store } from "./ui/store";

export interface ChatParts {
  user: User;
  openPort: OpenPort;
  /** This person's drafts, unsent messages and marks. */
  box: Box;
  /** The server does not let us in any more; null: the session has ended. */
  turnedAway(reason: string | null): void;
  /** The server takes us for another person: somebody else has signed in meanwhile. */
  somebodyElse(): void;
  files: FileServer;
  /** The room the address asks for. */
  wantedRoom?: () => string | null;
  schedule?: Schedule;
}

const CHOICES: readonly TransportChoice[] = ["auto", "webSockets", "serverSentEvents", "longPolling"];

/** One sentence for the person: something went wrong (`problem`), or is just so (`news`). */
export interface Notice {
  text: string;
  tone: "problem" | "news";
}

/** One person's chat without its looks: all stores, joined together. */
export class Chat {
  readonly user: User;
  readonly connection: Connection;
  readonly answers: Answers;
  readonly rooms: Rooms;
  readonly presence: Presence;
  readonly places: Places;
  readonly search: MessageSearch;
  readonly working: Working;
  readonly outbox: Outbox;
  readonly editing: Editing;
  readonly drafts: Drafts;
  readonly uploads: Uploads;
  readonly replies = new Replies();
  readonly notifications: Notifications;
  readonly me: Store<Me>;
  /** Null until the server has told it. */
  readonly budget = new Store<Budget | null>(null);
  readonly assistant = new Store<Assistant | null>(null);
  /** After how many days this server deletes messages; null: never. */
  readonly retentionDays = new Store<number | null>(null);
  /** Shown until it is closed, or for a while. */
  readonly notice = new Store<Notice | null>(null);
  /** For the live region: an answer that has just ended. */
  readonly finished = new Store<Message | null>(null);
  /** A message taken back: its text returns to the composer. */
  readonly handBack = new Store<Unsent | null>(null);
  readonly #box: Box;
  readonly #wantedRoom: () => string | null;
  readonly #somebodyElse: () => void;
  #instance: string | null = null;

  constructor({ user, openPort, box, turnedAway, somebodyElse, files, wantedRoom = () => null, schedule = onFrame }: ChatParts) {
    this.user = user;
    this.me = new Store<Me>({ ...user, kind: "person" });
    this.#box = box;
    this.#wantedRoom = wantedRoom;
    this.#somebodyElse = somebodyElse;
    this.drafts = new Drafts(box);
    this.uploads = new Uploads(box, files);
    this.notifications = new Notifications(box);
    this.connection = new Connection(openPort, CHOICES.find((choice) => choice === box.read("transport")) ?? "auto");
    this.answers = new Answers(this.connection.line, (message) => void this.rooms.heal(message.roomId), schedule);
    this.rooms = new Rooms(this.connection, this.answers, box, user.id);
    this.presence = new Presence(this.connection.line, this.rooms.active, user.id);
    this.places = new Places(this.rooms, this.connection, this.answers, (text) => this.notice.set({ text, tone: "problem" }));
    this.search = new MessageSearch(this.connection);
    this.working = new Working(this.connection.line, this.rooms.list, this.rooms.active, box);
    this.editing = new Editing(this.connection, this.rooms);
    this.outbox = new Outbox(box, {
      ready: () => this.connection.state.value.phase === "live",
      send: (entry) =>
        entry.ask
          ? this.connection.invoke<Message>("Ask", entry.roomId, entry.clientMessageId, entry.text, ...asked(entry))
          : this.connection.invoke<Message>("SendMessage", entry.roomId, entry.clientMessageId, entry.text, ...attached(entry)),
      asks: (entry) => askingOf(entry, this.assistant.value?.name, this.rooms.room(entry.roomId)) !== null,
      sent: (message) => this.rooms.take(message),
    });
    this.connection.hooks = {
      greet: () => this.#greet(),
      live: () => this.#live(),
      called: (name, args) => this.#called(name, args),
      turnedAway,
    };
  }

  /** Sends a message with the files that are attached, as a reply to what was chosen. */
  send(roomId: string, text: string, ask: boolean): void {
    this.outbox.add(roomId, randomId(), text, ask, { files: this.uploads.take(roomId), quote: this.replies.take(roomId) });
  }

  chooseTransport(choice: TransportChoice): void {
    if (choice === "auto") this.#box.remove("transport");
    else this.#box.write("transport", choice);
    this.connection.choose(choice);
  }

  async stop(messageId: string): Promise<void> {
    await this.attempt(t("The answer could not be stopped"), async () => this.answers.run(messageId)?.stop());
  }

  async again(messageId: string): Promise<void> {
    // The answer is told to all who are in the room, as it begins.
    await this.attempt(t("The question could not be asked again"), () => this.connection.invoke("RetryAnswer", messageId));
  }

  /** Lets an answer that was cut go on from where it stopped. */
  async goOn(messageId: string): Promise<void> {
    await this.attempt(t("The answer could not go on"), () => this.connection.invoke("GoOn", messageId));
  }

  /** Shows the conversation with another person. */
  async writeTo(personId: string): Promise<void> {
    await this.attempt(t("You cannot write to this person"), async () => this.rooms.show((await this.rooms.pair(personId)).id));
  }

  /** Adds my reaction to a message, or takes it back. */
  async react(messageId: string, emoji: string, isOn: boolean): Promise<void> {
    await this.attempt(t("Your reaction was not added"), async () => this.rooms.changed(await this.connection.invoke<Message>("React", messageId, emoji, isOn)));
  }

  /** Decides what the assistant has asked. */
  async decide(messageId: string, askId: string, value: unknown): Promise<void> {
    await this.attempt(t("The assistant did not hear it"), async () => this.answers.run(messageId)?.answer(askId, value));
  }

  /** Does something and puts a failure where people see it. */
  async attempt(what: string, work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.notice.set({ text: `${what}: ${sentence(error)}`, tone: "problem" });
    }
  }

  async #greet(): Promise<void> {
    const entered = await this.connection.invoke<Entered>("Enter");
    if (entered.me.id !== this.user.id) {
      this.#somebodyElse();
      throw new ConnectionLost("somebody else has signed in");
    }
    const instance = entered.server.instance ?? null;
    if (instance !== this.#instance) this.outbox.expectNothing();
    this.#instance = instance;
    this.me.set(entered.me);
    this.budget.set(entered.budget);
    this.assistant.set(entered.assistant);
    this.uploads.limit.set(entered.server.fileBytes ?? 0);
    this.retentionDays.set(entered.server.retentionDays ?? null);
    this.rooms.marks.restore(entered.reads, entered.rooms);
    await this.rooms.restore(entered.rooms, this.#wantedRoom());
  }

  /** A room that the address names and that was not mine until now. */
  async #appeared(roomId: string | null): Promise<void> {
    if (!this.rooms.room(roomId) || roomId === null) return;
    await this.rooms.show(roomId);
    await this.places.resume();
  }

  #live(): void {
    this.presence.resume();
    void this.outbox.flush();
    void this.places.resume();
    this.search.resume();
  }

  readonly #handlers: { [K in keyof ServerCalls]: (...args: ServerCalls[K]) => void } = {
    ReceiveMessage: (message) => {
      if (message.clientMessageId && message.author.id === this.me.value.id) this.outbox.delivered(message.clientMessageId);
      this.presence.wrote(message.author.id);
      this.rooms.take(message);
    },
    MessageChanged: (message) => {
      this.rooms.changed(message);
      this.replies.changed(message);
      if (message.answer && !isRunning(message.answer) && message.roomId === this.rooms.active.value) this.#ended(message);
    },
    HistoryCleared: (roomId, before) => this.rooms.cleared(roomId, before),
    PromptChanged: (roomId, prompt) => this.rooms.setPrompt(roomId, prompt),
    RoomsChanged: (rooms) => {
      this.rooms.setList(rooms);
      void this.#appeared(this.rooms.missing.value);
    },
    AssistantChanged: (assistant) => this.assistant.set(assistant),
    BudgetChanged: (budget) => this.budget.set(budget),
    AccountChanged: (me) => this.me.set(me),
    PersonRemoved: (person, isErased) => this.rooms.removed(person, isErased),
    ReadChanged: (roomId, seq) => this.rooms.readElsewhere(roomId, seq),
    Mentioned: (message) => {
      this.rooms.marks.mentioned(message.roomId, message.seq);
      const room = this.rooms.room(message.roomId);
      this.#notify(message, room?.isPair ? nameOf(message.author) : room ? t("{name} in {room}", { name: nameOf(message.author), room: titleOf(room) }) : t("{name} in a room", { name: nameOf(message.author) }));
    },
    NotAnswered: (message, reason) => {
      if (message.clientMessageId) this.outbox.expectNot(message.clientMessageId);
      this.notice.set({ text: t("Your message was posted, and is not answered: {reason}", { reason: inOwnZone(said(reason)) }), tone: "news" });
    },
    RoomGone: (roomId, text) => {
      this.rooms.gone(roomId);
      this.notice.set({ text: said(text), tone: "news" });
    },
  };

  #ended(message: Message): void {
    this.finished.set(message);
    if (message.answer?.askedBy.id === this.me.value.id) this.#notify(message, t("{name} answered you", { name: nameOf(message.author) }));
  }

  #notify({ id, text, roomId }: Message, title: string): void {
    this.notifications.tell({ id, title, text: plainText(text), open: () => void this.places.jump({ roomId, messageId: id, words: [] }) });
  }

  #called<K extends keyof ServerCalls>(name: K, args: ServerCalls[K]): void {
    this.#handlers[name](...args);
  }
}

export const ChatContext = createContext<Chat | null>(null);

export function useChat(): Chat {
  const chat = use(ChatContext);
  if (!chat) throw new Error("useChat is used outside of ChatContext.");
  return chat;
}

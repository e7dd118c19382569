import { createContext, use } from "react";
import type { User } from "./account/api";
import { Answers, onFrame, type Schedule } from "./answers/answers";
import { Connection } from "./connection/connection";
import { isRunning, type Assistant, type Budget, type Entered, type Me, type Message, type Model, type ServerCalls } from "./connection/contract";
import { ConnectionLost, sentence } from "./connection/errors";
import type { OpenPort, TransportChoice } from "./connection/hub-port";
import { Drafts } from "./messages/drafts";
import { isQuestion, Outbox, type Unsent } from "./messages/outbox";
import { Rooms } from "./rooms/rooms";
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
  readonly outbox: Outbox;
  readonly drafts: Drafts;
  readonly me: Store<Me>;
  /** Null until the server has told it. */
  readonly budget = new Store<Budget | null>(null);
  readonly assistant = new Store<Assistant | null>(null);
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

  constructor({ user, openPort, box, turnedAway, somebodyElse, wantedRoom = () => null, schedule = onFrame }: ChatParts) {
    this.user = user;
    this.me = new Store<Me>({ ...user, kind: "person", devices: 1 });
    this.#box = box;
    this.#wantedRoom = wantedRoom;
    this.#somebodyElse = somebodyElse;
    this.drafts = new Drafts(box);
    this.connection = new Connection(openPort, CHOICES.find((choice) => choice === box.read("transport")) ?? "auto");
    this.answers = new Answers(this.connection.forRuns, (message) => void this.rooms.heal(message.roomId), schedule);
    this.rooms = new Rooms(this.connection, this.answers, box);
    this.outbox = new Outbox(box, {
      ready: () => this.connection.state.value.phase === "live",
      send: (entry) =>
        entry.ask
          ? this.connection.invoke<Message>("Ask", entry.roomId, entry.clientMessageId, entry.text, entry.model)
          : this.connection.invoke<Message>("SendMessage", entry.roomId, entry.clientMessageId, entry.text),
      asks: (entry) => isQuestion(entry, this.assistant.value?.name),
      sent: (message) => this.rooms.take(message),
    });
    this.connection.hooks = {
      greet: () => this.#greet(),
      live: () => void this.outbox.flush(),
      called: (name, args) => this.#called(name, args),
      turnedAway,
    };
  }

  send(roomId: string, text: string, ask: boolean, model: Model = "standard"): void {
    this.outbox.add(roomId, randomId(), text, ask, model);
  }

  chooseTransport(choice: TransportChoice): void {
    if (choice === "auto") this.#box.remove("transport");
    else this.#box.write("transport", choice);
    this.connection.choose(choice);
  }

  async stop(messageId: string): Promise<void> {
    await this.attempt("The answer could not be stopped", async () => this.answers.run(messageId)?.stop());
  }

  async again(messageId: string): Promise<void> {
    await this.attempt("The question could not be asked again", async () => {
      this.rooms.take(await this.connection.invoke<Message>("RetryAnswer", messageId));
    });
  }

  /** Lets an answer that was cut go on from where it stopped. */
  async goOn(messageId: string): Promise<void> {
    await this.attempt("The answer could not go on", () => this.connection.invoke("GoOn", messageId));
  }

  /** Decides what the assistant has asked. */
  async decide(messageId: string, askId: string, value: unknown): Promise<void> {
    await this.attempt("The assistant did not hear it", async () => this.answers.run(messageId)?.answer(askId, value));
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
    await this.rooms.restore(entered.rooms, this.#wantedRoom());
  }

  readonly #handlers: { [K in keyof ServerCalls]: (...args: ServerCalls[K]) => void } = {
    ReceiveMessage: (message) => {
      if (message.clientMessageId && message.author.id === this.me.value.id) this.outbox.delivered(message.clientMessageId);
      this.rooms.take(message);
    },
    MessageChanged: (message) => {
      this.rooms.take(message);
      if (message.answer && !isRunning(message.answer) && message.roomId === this.rooms.active.value) this.finished.set(message);
    },
    HistoryCleared: (roomId, before) => this.rooms.cleared(roomId, before),
    PeopleChanged: (roomId, people) => this.rooms.setPeople(roomId, people),
    RoomsChanged: (rooms) => this.rooms.list.set(rooms),
    TypingChanged: (roomId, names) => this.rooms.setTyping(roomId, names),
    AssistantChanged: (assistant) => this.assistant.set(assistant),
    BudgetChanged: (budget) => this.budget.set(budget),
    AccountChanged: (me) => this.me.set(me),
    RoomGone: (roomId, text) => {
      this.rooms.gone(roomId);
      this.notice.set({ text, tone: "news" });
    },
  };

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

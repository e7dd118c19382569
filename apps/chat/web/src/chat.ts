import { createContext, use } from "react";
import { Account, randomId } from "./account/account";
import { ThemeChoice } from "./account/theme";
import { Answers, onFrame, type Schedule } from "./answers/answers";
import { Connection } from "./connection/connection";
import type { Assistant, Entered, Message, Person, ServerCalls } from "./connection/contract";
import { sentence } from "./connection/errors";
import type { OpenPort, TransportChoice } from "./connection/hub-port";
import { Drafts } from "./messages/drafts";
import { Outbox, type Unsent } from "./messages/outbox";
import { Rooms } from "./rooms/rooms";
import type { Box } from "./ui/storage";
import { Store } from "./ui/store";

export interface ChatParts {
  openPort: OpenPort;
  /** Who the person is. */
  identity: Box;
  /** Drafts, unsent messages, settings. */
  box: Box;
  /** The room the address asks for. */
  wantedRoom?: () => string | null;
  schedule?: Schedule;
}

const CHOICES: readonly TransportChoice[] = ["auto", "webSockets", "serverSentEvents", "longPolling"];

/** The whole page without its looks: all stores, joined together. */
export class Chat {
  readonly account: Account;
  readonly theme: ThemeChoice;
  readonly connection: Connection;
  readonly answers: Answers;
  readonly rooms: Rooms;
  readonly outbox: Outbox;
  readonly drafts: Drafts;
  readonly me = new Store<Person | null>(null);
  readonly assistant = new Store<Assistant | null>(null);
  /** One sentence about something that did not work, until it is closed. */
  readonly notice = new Store<string | null>(null);
  /** For the live region: an answer that has just ended. */
  readonly finished = new Store<Message | null>(null);
  /** A message taken back: its text returns to the composer. */
  readonly handBack = new Store<Unsent | null>(null);
  readonly #box: Box;
  readonly #wantedRoom: () => string | null;
  #instance: string | null = null;

  constructor({ openPort, identity, box, wantedRoom = () => null, schedule = onFrame }: ChatParts) {
    this.#box = box;
    this.#wantedRoom = wantedRoom;
    this.account = new Account(identity);
    this.theme = new ThemeChoice(box);
    this.drafts = new Drafts(box);
    this.connection = new Connection(openPort, CHOICES.find((choice) => choice === box.read("transport")) ?? "auto");
    this.answers = new Answers(
      {
        gap: (roomId) => void this.rooms.heal(roomId),
        ended: (roomId, messageId, text, answer) => {
          this.rooms.ended(roomId, messageId, text, answer);
          const message = this.rooms.view(roomId).value.messages.find((each) => each.id === messageId);
          if (message && roomId === this.rooms.active.value) this.finished.set(message);
        },
      },
      schedule,
    );
    this.rooms = new Rooms(this.connection, this.answers, box);
    this.outbox = new Outbox(box, {
      ready: () => this.connection.state.value.phase === "live",
      send: (entry) =>
        this.connection.invoke<Message>(entry.ask ? "Ask" : "SendMessage", entry.roomId, entry.clientMessageId, entry.text),
      sent: (message) => this.rooms.take(message),
    });
    this.connection.hooks = {
      greet: () => this.#greet(),
      live: () => void this.outbox.flush(),
      called: (name, args) => this.#called(name, args),
    };
    if (this.account.identity.value) this.connection.open();
  }

  signIn(name: string): void {
    this.account.signIn(name);
    if (this.account.identity.value) this.connection.open();
  }

  signOut(): void {
    this.connection.close();
    this.account.signOut();
    this.rooms.forget();
    this.me.set(null);
  }

  send(roomId: string, text: string, ask: boolean): void {
    this.outbox.add(roomId, randomId(), text, ask);
  }

  chooseTransport(choice: TransportChoice): void {
    if (choice === "auto") this.#box.remove("transport");
    else this.#box.write("transport", choice);
    this.connection.choose(choice);
  }

  async stop(messageId: string): Promise<void> {
    await this.attempt("The answer could not be stopped", () => this.connection.invoke("StopAnswer", messageId));
  }

  async again(messageId: string): Promise<void> {
    await this.attempt("The question could not be asked again", async () => {
      this.rooms.take(await this.connection.invoke<Message>("RetryAnswer", messageId));
    });
  }

  /** Does something and puts a failure where people see it. */
  async attempt(what: string, work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.notice.set(`${what}: ${sentence(error)}`);
    }
  }

  async #greet(): Promise<void> {
    const identity = this.account.identity.value;
    if (!identity) return;
    const entered = await this.connection.invoke<Entered>("Enter", identity.name, identity.key);
    const instance = entered.server.instance ?? null;
    if (this.#instance !== null && instance !== this.#instance) this.#forgetTheOldServer();
    this.#instance = instance;
    this.me.set(entered.me);
    this.assistant.set(entered.assistant);
    await this.rooms.restore(entered.rooms, this.#wantedRoom());
  }

  #forgetTheOldServer(): void {
    this.rooms.forget();
    this.outbox.expectNothing();
    this.notice.set("The server was started anew. What was said before is gone, and what you had not sent is kept.");
  }

  readonly #handlers: { [K in keyof ServerCalls]: (...args: ServerCalls[K]) => void } = {
    ReceiveMessage: (message) => {
      if (message.clientMessageId && message.author.id === this.me.value?.id) this.outbox.delivered(message.clientMessageId);
      this.rooms.take(message);
    },
    PeopleChanged: (roomId, people) => this.rooms.setPeople(roomId, people),
    RoomsChanged: (rooms) => this.rooms.list.set(rooms),
    TypingChanged: (roomId, names) => this.rooms.setTyping(roomId, names),
    AssistantChanged: (assistant) => this.assistant.set(assistant),
    AnswerDelta: (roomId, messageId, offset, text) => this.answers.delta(roomId, messageId, offset, text),
    AnswerStatus: (roomId, messageId, answer) => this.answers.status(roomId, messageId, answer),
    AnswerEnded: (roomId, messageId, text, answer) => this.answers.ended(roomId, messageId, text, answer),
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

import { createContext, use } from "react";
import type { Api, User } from "./account/api";
import type { Session } from "./account/session";
import { ThemeChoice } from "./account/theme";
import { Chat } from "./chat";
import type { OpenPort } from "./connection/hub-port";
import { LanguageChoice } from "./language/choice";
import type { FileServer } from "./messages/uploads";
import { partOf, type Box } from "./ui/storage";
import { Store } from "./ui/store";

interface PageParts {
  api: Api;
  session: Session;
  openPort: OpenPort;
  files: FileServer;
  /** What belongs to the browser, whoever uses it. */
  box: Box;
  /** What belongs to people; each gets a part of it. */
  people: Box;
  wantedRoom?: () => string | null;
}

/** The window: whose it is at the moment, and the chat of that person. */
export class Page {
  readonly api: Api;
  readonly session: Session;
  readonly theme: ThemeChoice;
  readonly language: LanguageChoice;
  /** Outlives the end of a session, for the same person to come back to; nobody else gets to see it. */
  readonly chat = new Store<Chat | null>(null);
  readonly #parts: PageParts;

  constructor(parts: PageParts) {
    this.#parts = parts;
    this.api = parts.api;
    this.session = parts.session;
    this.theme = new ThemeChoice(parts.box);
    this.language = new LanguageChoice(parts.box);
    this.session.door.subscribe(() => this.#doorMoved());
  }

  /** Signs out for good: what a guest has written here goes with the guest. */
  async signOut(): Promise<void> {
    const chat = this.chat.value;
    await this.session.signOut();
    if (chat?.user.role === "guest") this.#forget(chat.user);
  }

  /** Removes the account, and with it what was kept here. */
  async removeAccount(password: string, messages: "keep" | "delete"): Promise<void> {
    const chat = this.chat.value;
    await this.session.removeAccount(password, messages);
    if (chat) this.#forget(chat.user);
  }

  #forget(user: User): void {
    const box = this.#boxOf(user);
    for (const key of box.keys("")) box.remove(key);
  }

  #doorMoved(): void {
    const door = this.session.door.value;
    if (door.kind === "open") this.#enter(door.user);
    else if (door.kind === "closed" && door.ended) this.chat.value?.connection.close();
    else if (door.kind === "closed") this.#leave();
  }

  #enter(user: User): void {
    if (this.chat.value?.user.id !== user.id) {
      this.#leave();
      this.chat.set(this.#chatOf(user));
    }
    this.chat.value?.connection.open();
  }

  #leave(): void {
    this.chat.value?.connection.close();
    this.chat.set(null);
  }

  #chatOf(user: User): Chat {
    const { openPort, files, wantedRoom } = this.#parts;
    return new Chat({
      user,
      openPort,
      files,
      box: this.#boxOf(user),
      ...(wantedRoom && { wantedRoom }),
      turnedAway: (reason) => this.session.ended(reason),
      somebodyElse: () => void this.session.check(),
    });
  }

  #boxOf(user: User): Box {
    return partOf(this.#parts.people, `of.${user.id}.`);
  }
}

export const PageContext = createContext<Page | null>(null);

export function usePage(): Page {
  const page = use(PageContext);
  if (!page) throw new Error("usePage is used outside of PageContext.");
  return page;
}

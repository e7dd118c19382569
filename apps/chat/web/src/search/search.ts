import type { Connection } from "../connection/connection";
import type { Found, SearchResult } from "../connection/contract";
import { ConnectionLost, sentence } from "../connection/errors";
import { t } from "../language/language";
import { Store } from "../ui/store";

export interface SearchState {
  query: string;
  /** The only room that is searched; null: all of mine. */
  roomId: string | null;
  status: "idle" | "loading" | "ready" | "error";
  found: readonly Found[];
  hasMore: boolean;
  error: string | null;
}

const NOTHING: SearchState = { query: "", roomId: null, status: "idle", found: [], hasMore: false, error: null };
/** Milliseconds after a key until the server is asked. */
const PAUSE = 250;

/** The search of messages: what is asked for, and what was found. It outlives its dialog. */
export class MessageSearch {
  readonly state = new Store<SearchState>(NOTHING);
  readonly #connection: Connection;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #asked = 0;
  #broken = false;
  /** Are the messages that are shown those for the words? */
  #fresh = false;
  #whenFound: ((found: readonly Found[]) => void) | null = null;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  type(query: string): void {
    clearTimeout(this.#timer);
    this.#asked++;
    this.#fresh = false;
    this.#whenFound = null;
    if (query.trim() === "") {
      this.state.update(({ roomId }) => ({ ...NOTHING, query, roomId }));
      return;
    }
    this.state.update((state) => ({ ...state, query, status: "loading", error: null }));
    this.#timer = setTimeout(() => void this.#ask(0), PAUSE);
  }

  /** Another room, or all of them. */
  within(roomId: string | null): void {
    if (roomId === this.state.value.roomId) return;
    this.state.update((state) => ({ ...state, roomId, found: [], hasMore: false }));
    this.type(this.state.value.query);
  }

  retry(): void {
    this.type(this.state.value.query);
  }

  more(): Promise<void> {
    return this.#ask(this.state.value.found.length);
  }

  /** Does something with the messages for the words as they are now, at once or when they have come; other words, or null, end the wait. */
  whenFound(act: ((found: readonly Found[]) => void) | null): void {
    this.#whenFound = act;
    if (this.#fresh) this.#tell();
  }

  #tell(): void {
    const act = this.#whenFound;
    this.#whenFound = null;
    act?.(this.state.value.found);
  }

  /** After a reconnect: what the connection has broken off is asked for again. */
  resume(): void {
    if (this.#broken) this.retry();
  }

  async #ask(skip: number): Promise<void> {
    const { query, roomId } = this.state.value;
    const asked = ++this.#asked;
    this.#broken = false;
    this.state.update((state) => ({ ...state, status: "loading", error: null }));
    try {
      const result = await this.#connection.invoke<SearchResult>("Search", query, roomId, skip);
      if (asked !== this.#asked) return;
      this.state.update((state) => ({ ...state, status: "ready", hasMore: result.hasMore, found: skip > 0 ? joined(state.found, result.found) : result.found }));
      this.#fresh = true;
      this.#tell();
    } catch (error) {
      if (asked !== this.#asked) return;
      this.#broken = error instanceof ConnectionLost;
      this.state.update((state) => ({ ...state, status: "error", error: this.#broken ? t("There is no connection at the moment.") : sentence(error) }));
    }
  }
}

/** Messages that came meanwhile move the others to the next page: none is shown twice. */
function joined(before: readonly Found[], next: readonly Found[]): readonly Found[] {
  const known = new Set(before.map((each) => each.messageId));
  return [...before, ...next.filter((each) => !known.has(each.messageId))];
}

/** The hits in an excerpt and in the names of files, for marking them in the message. */
export function hitsOf(found: Found): string[] {
  return [...new Set([found.excerpt, ...(found.files ?? [])].flatMap((parts) => parts.filter((_, index) => index % 2 === 1)))];
}

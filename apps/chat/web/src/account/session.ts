import { delayBefore } from "../connection/backoff";
import { msg } from "../language/language";
import type { Box } from "../ui/storage";
import { Store } from "../ui/store";
import { ApiError, type Api, type Offers, type User } from "./api";
import type { Siblings } from "./siblings";

/** Who may be behind the door: somebody (open), nobody yet (closed), or we do not know. */
export type Door =
  | { kind: "checking" }
  | { kind: "unreachable"; retryAt: number }
  /** `ended`: not by the person's wish, who may be back in a moment. */
  | { kind: "closed"; offers: Offers; ended: boolean; reason: string | null }
  | { kind: "open"; user: User };

export const ENDED = msg("Your session has ended. Sign in again.");
export const VISIT_ENDED = msg("Your visit has ended. You can come in again.");
export const REMOVED = msg("Your account is removed.");
export const LEFT_ELSEWHERE = msg("You signed out in another window.");

/** The session of this window's seat: who is signed in, and the ways in and out. */
export class Session {
  readonly door = new Store<Door>({ kind: "checking" });
  readonly #api: Api;
  readonly #box: Box;
  readonly #siblings: Siblings;
  readonly #refused: string | null;
  #offers: Offers = { signUp: false, guests: false };
  #attempt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `refused`: why a sign-in by the provider failed, from which this window comes back. */
  constructor(api: Api, box: Box, siblings: Siblings, refused: string | null = null) {
    this.#refused = refused;
    this.#api = api;
    this.#box = box;
    this.#siblings = siblings;
    siblings.heard((news) => {
      if (news === "signed-in") void this.check();
      else if (this.#isInside()) this.#close(LEFT_ELSEWHERE, false);
    });
  }

  /** The name that was signed in here last, for the form. */
  get lastName(): string {
    return this.#box.read("last-name") ?? "";
  }

  /** Asks the server who we are; as long as it cannot be reached, again and again. */
  async check(): Promise<void> {
    clearTimeout(this.#timer);
    try {
      const { user, signUp, guests, openId } = await this.#api.session();
      this.#attempt = 0;
      this.#offers = { signUp, guests, ...(openId != null && { openId }) };
      if (user) this.#open(user);
      else if (this.door.value.kind === "open") this.ended(null);
      else if (this.door.value.kind !== "closed") this.#close(this.#refused, false);
    } catch {
      this.#later();
    }
  }

  async signIn(name: string, password: string): Promise<void> {
    this.#entered(await this.#api.signIn(name, password));
  }

  async signUp(name: string, password: string): Promise<void> {
    this.#entered(await this.#api.signUp(name, password));
  }

  async enterAsGuest(name: string): Promise<void> {
    this.#entered(await this.#api.guest(name));
  }

  /** Ends the session, here and in the other windows of this seat. Raises an error when it could not be ended. */
  async signOut(): Promise<void> {
    try {
      await this.#api.signOut();
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 401) throw error;
    }
    this.#siblings.tell("signed-out");
    this.#close(null, false);
  }

  /** Removes the account for good, here and in the other windows of this seat. */
  async removeAccount(password: string, messages: "keep" | "delete"): Promise<void> {
    await this.#api.removeAccount(password, messages);
    this.#box.remove("last-name");
    this.#siblings.tell("signed-out");
    this.#close(REMOVED, false);
  }

  /** The server gives no more tokens, or does not let us in, for the `reason`. */
  ended(reason: string | null): void {
    const door = this.door.value;
    if (door.kind === "open") this.#close(reason ?? (door.user.role === "guest" ? VISIT_ENDED : ENDED), true);
  }

  /** Also when the server has said that the session is over before the window did in which somebody signed out. */
  #isInside(): boolean {
    const door = this.door.value;
    return door.kind === "open" || (door.kind === "closed" && door.ended);
  }

  #entered(user: User): void {
    this.#open(user);
    this.#siblings.tell("signed-in");
  }

  #open(user: User): void {
    const before = this.door.value;
    if (before.kind === "open" && before.user.id === user.id) return;
    if (user.role !== "guest") this.#box.write("last-name", user.name);
    this.door.set({ kind: "open", user });
  }

  #close(reason: string | null, ended: boolean): void {
    this.door.set({ kind: "closed", offers: this.#offers, ended, reason });
  }

  /** Only who has nothing else to look at is told; a page that is in use has its own line about the connection. */
  #later(): void {
    const { kind } = this.door.value;
    if (kind !== "checking" && kind !== "unreachable") return;
    const wait = delayBefore(++this.#attempt);
    this.door.set({ kind: "unreachable", retryAt: Date.now() + wait });
    this.#timer = setTimeout(() => void this.check(), wait);
  }
}

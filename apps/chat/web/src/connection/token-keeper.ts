import { ConnectionLost, SignedOut } from "./errors";

/** A token for the hub; `expiresIn` are the seconds it is good for. */
export interface HubToken {
  token: string;
  expiresIn: number;
}

/** Gets a token for this page's session; raises `SignedOut` when it has ended. */
export type FetchToken = () => Promise<HubToken>;

interface Hooks {
  /** Gives a connection that is open its new token. */
  present(token: string): Promise<void>;
  signedOut(): void;
  /** There is no new token, for another reason; the connection will not outlive the old one. */
  failed(): void;
}

/** A token is exchanged when this part of its life is over: what is left is for slow networks and sleeping tabs. */
const SHARE = 0.8;
const LONGEST_TIMER = 2 ** 31 - 1;

/** Holds the token of one connection, and exchanges it in time for as long as the connection is open. */
export class TokenKeeper {
  readonly #fetch: FetchToken;
  readonly #hooks: Hooks;
  #token = "";
  #dueAt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stopped = false;

  constructor(fetch: FetchToken, hooks: Hooks) {
    this.#fetch = fetch;
    this.#hooks = hooks;
  }

  get token(): string {
    return this.#token;
  }

  /** Gets the first token. */
  async begin(): Promise<void> {
    await this.#renew();
    if (this.#stopped) throw new ConnectionLost("stopped before it was open");
  }

  /** The connection is open: from now on its token is exchanged. */
  run(): void {
    if (this.#stopped) return;
    const wait = Math.min(Math.max(0, this.#dueAt - Date.now()), LONGEST_TIMER);
    this.#timer = setTimeout(() => void this.#exchange(), wait);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  async #exchange(): Promise<void> {
    try {
      await this.#renew();
      if (this.#stopped) return;
      await this.#hooks.present(this.#token);
      this.run();
    } catch (error) {
      if (this.#stopped) return;
      this.stop();
      if (error instanceof SignedOut) this.#hooks.signedOut();
      else this.#hooks.failed();
    }
  }

  async #renew(): Promise<void> {
    const asked = Date.now();
    const { token, expiresIn } = await this.#fetch();
    this.#token = token;
    this.#dueAt = asked + expiresIn * 1000 * SHARE;
  }
}

import { SignedOut } from "../connection/errors";
import type { Me, Role, Tier } from "../connection/contract";
import type { HubToken } from "../connection/token-keeper";
import { msg } from "../language/language";
import { isRecord } from "../ui/storage";

/** Somebody who may come in. */
export type User = Pick<Me, "id" | "name" | "role" | "tier"> & {
  /** False: only a provider signs this person in. */
  hasPassword?: boolean;
};

/** Somebody in the administrator's list. */
export interface Account extends User {
  usedToday: number;
  /** Nobody can sign in with it. */
  isDisabled: boolean;
  createdAt: string;
}

/** Which ways in there are, beside a name and a password. */
export interface Offers {
  signUp: boolean;
  guests: boolean;
  /** The name of the OpenID Connect provider that signs people in. */
  openId?: string | null;
}

export interface Change {
  role?: Role;
  tier?: Tier;
  password?: string;
  isDisabled?: boolean;
}

/** The server's refusal: `message` is a sentence to show, `retryAfter` the seconds until another try makes sense. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly retryAfter: number | null;

  constructor(status: number, code: string, text: string, retryAfter: number | null = null) {
    super(text);
    this.name = "ApiError";
    this.status = status;
    this.code = code;
    this.retryAfter = retryAfter;
  }
}

/** No answer, or one that is not the chat's. */
export class Unreachable extends Error {
  constructor(cause?: unknown) {
    super(msg("The server cannot be reached."), { cause });
    this.name = "Unreachable";
  }
}

export type Fetch = (path: string, init: RequestInit) => Promise<Response>;

const TIME_LIMIT = 15_000;
const SEAT_HEADER = "X-Hubline-Seat";

/** The server's HTTP side. `seat` keeps several people in one browser apart; most pages have none. */
export class Api {
  readonly #seat: string | null;
  readonly #fetch: Fetch;

  constructor(seat: string | null, fetch: Fetch = (path, init) => globalThis.fetch(path, init)) {
    this.#seat = seat;
    this.#fetch = fetch;
  }

  session(): Promise<Offers & { user: User | null }> {
    return this.#request("GET", "session");
  }

  async signIn(name: string, password: string): Promise<User> {
    return (await this.#request<{ user: User }>("POST", "sign-in", { name, password })).user;
  }

  async signUp(name: string, password: string): Promise<User> {
    return (await this.#request<{ user: User }>("POST", "sign-up", { name, password })).user;
  }

  async guest(name: string): Promise<User> {
    return (await this.#request<{ user: User }>("POST", "guest", { name })).user;
  }

  /** The address that leads to the provider, and from there back to the room of this address. */
  openIdUrl(hash: string): string {
    const query = new URLSearchParams({ place: hash.replace(/^#/, ""), ...(this.#seat && { seat: this.#seat }) });
    return `/api/openid/begin?${query.toString()}`;
  }

  async signOut(): Promise<void> {
    await this.#request("POST", "sign-out", {});
  }

  /** A token for the hub; raises `SignedOut` when the session has ended. */
  async token(): Promise<HubToken> {
    try {
      return await this.#request<HubToken>("POST", "token", {});
    } catch (error) {
      throw error instanceof ApiError && error.status === 401 ? new SignedOut() : error;
    }
  }

  async changePassword(current: string, next: string): Promise<void> {
    await this.#request("POST", "password", { current, new: next });
  }

  async people(): Promise<Account[]> {
    return (await this.#request<{ people: Account[] }>("GET", "people")).people;
  }

  async changePerson(id: string, change: Change): Promise<Partial<Account>> {
    return (await this.#request<{ user: Partial<Account> }>("PATCH", `people/${encodeURIComponent(id)}`, change)).user;
  }

  async removePerson(id: string, messages: "keep" | "delete"): Promise<void> {
    await this.#request("POST", `people/${encodeURIComponent(id)}/remove`, { messages });
  }

  async removeAccount(password: string, messages: "keep" | "delete"): Promise<void> {
    await this.#request("POST", "account/remove", { password, messages });
  }

  async #request<T>(method: string, path: string, body?: object): Promise<T> {
    const headers: Record<string, string> = { Accept: "application/json" };
    if (body) headers["Content-Type"] = "application/json";
    if (this.#seat) headers[SEAT_HEADER] = this.#seat;
    const response = await this.#send(path, { method, headers, body: body ? JSON.stringify(body) : null });
    if (response.status === 204) return undefined as T;
    const answer: unknown = await response.json().catch(() => null);
    if (response.ok && isRecord(answer)) return answer as T;
    throw refusal(response.status, answer);
  }

  async #send(path: string, init: RequestInit): Promise<Response> {
    try {
      return await this.#fetch(`/api/${path}`, {
        ...init, cache: "no-store", credentials: "same-origin", signal: AbortSignal.timeout(TIME_LIMIT),
      });
    } catch (error) {
      throw new Unreachable(error);
    }
  }
}

/** Answers without our shape come from something in between: a proxy, a server that is going down. */
function refusal(status: number, answer: unknown): Error {
  if (!isRecord(answer) || typeof answer.error !== "string" || typeof answer.code !== "string") return new Unreachable(`status ${status}`);
  return new ApiError(status, answer.code, answer.error, typeof answer.retryAfter === "number" ? answer.retryAfter : null);
}

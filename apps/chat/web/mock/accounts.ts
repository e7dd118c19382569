/** The HTTP side of the mock: accounts, sessions, tokens. What it remembers ends with the page. */
import type { Account, Fetch, User } from "../src/account/api";

type Body = Record<string, string>;
type Answer = [status: number, body?: object];

const refuse = (status: number, code: string, error: string, retryAfter?: number): Answer => [status, { error, code, retryAfter }];

export class MockAccounts {
  signUp = true;
  guests = true;
  reachable = true;
  delay = 200;
  user: User | null;
  readonly people: Account[];
  /** Hears of changes of somebody's tier or role. */
  changed: (user: User) => void = () => undefined;
  #wrong = 0;

  constructor(as: string | null) {
    const names = ["Ada Lovelace", "Grace Hopper", "Linus", "Margaret Hamilton", "Ken Thompson", "Barbara Liskov"];
    this.people = names.map((name, index) => ({
      id: name.split(" ")[0]!.toLowerCase(), name, role: index === 0 ? "admin" : "member", tier: index < 2 ? "premium" : "free",
      isDisabled: index === 5, usedToday: index * 1310, createdAt: new Date(Date.now() - index * 86_400_000 * 9).toISOString(),
    }));
    const users: Record<string, User> = {
      admin: this.people[0]!,
      member: this.people[2]!,
      guest: { id: "visitor", name: "Visitor", role: "guest", tier: "guest" },
    };
    this.user = users[as ?? ""] ?? null;
  }

  readonly fetch: Fetch = async (path, init) => {
    await new Promise((resolve) => setTimeout(resolve, this.delay));
    if (!this.reachable) throw new TypeError("Failed to fetch");
    const body = JSON.parse(String(init.body ?? "{}")) as Body;
    const [status, answer] = this.#answer(`${init.method} ${path.replace("/api/", "")}`, body);
    return new Response(answer ? JSON.stringify(answer) : null, { status });
  };

  #answer(request: string, body: Body): Answer {
    const { name = "", password = "" } = body;
    switch (request) {
      case "GET session":
        return [200, { user: this.user, signUp: this.signUp, guests: this.guests }];
      case "POST sign-in": {
        const person = this.people.find((each) => each.name.toLowerCase().startsWith(name.toLowerCase()));
        if (person && password === "password") return this.#enter(person);
        if (++this.#wrong % 4 === 0) return refuse(429, "too-many", "Too many attempts. Try again in 15 seconds.", 15);
        return refuse(401, "wrong-password", "The name or the password is wrong.");
      }
      case "POST sign-up":
        if (password === "password") return refuse(422, "weak-password", "This password is among the most common ones.");
        return this.#enter({ id: name, name, role: "member", tier: "free" }, 201);
      case "POST guest":
        if (this.people.some((each) => each.name === name)) return refuse(409, "name-taken", "Somebody of that name has an account. Choose another one.");
        return this.#enter({ id: name, name, role: "guest", tier: "guest" }, 201);
      case "POST sign-out":
        this.user = null;
        return [204];
      case "POST token":
        return this.user ? [200, { token: "mock", expiresIn: 300 }] : refuse(401, "signed-out", "Your session has ended.");
      case "POST password":
        return body.current === "password" ? [204] : refuse(401, "wrong-password", "This is not your current password.");
      case "GET people":
        return [200, { people: this.people }];
      default:
        return this.#change(decodeURIComponent(request.split("/").at(-1) ?? ""), body);
    }
  }

  #enter(user: User, status = 200): Answer {
    this.user = user;
    return [status, { user }];
  }

  #change(id: string, body: Body): Answer {
    const at = this.people.findIndex((person) => person.id === id);
    const person = this.people[at];
    if (!person) return refuse(404, "no-such-person", "There is no such person.");
    if (person.role === "admin" && body.role === "member") return refuse(409, "last-admin", "The last administrator stays one.");
    const user: Account = { ...person, ...body };
    this.people[at] = user;
    this.changed(user);
    return [200, { user }];
  }
}

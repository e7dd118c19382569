import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Api, ApiError, Unreachable, type User } from "../src/account/api";
import { firstWay } from "../src/account/Entrance";
import { peopleFor } from "../src/account/PeopleDialog";
import { refusalOf, remaining, weakness } from "../src/account/refusals";
import { seatOf } from "../src/account/seat";
import { ENDED, LEFT_ELSEWHERE, Session } from "../src/account/session";
import type { News, Siblings } from "../src/account/siblings";
import { SignedOut } from "../src/connection/errors";
import { Page } from "../src/page";
import { memoryBox, type Box } from "../src/ui/storage";
import { entered, FakeHub, ME, message, room, USER, NO_FILES } from "./fake-port";

const GRACE: User = { id: "grace", name: "Grace", role: "member", tier: "free" };
const GUEST: User = { id: "visitor", name: "Visitor", role: "guest", tier: "guest" };

/** An HTTP server under the test's hand: it answers what `answers` says, and writes down what it was asked. */
class FakeServer {
  readonly asked: { path: string; method: string; headers: Record<string, string>; body: unknown }[] = [];
  answers: Record<string, [status: number, body?: object]> = { "GET /api/session": [200, { user: null, signUp: true, guests: false }] };
  reachable = true;

  readonly fetch = async (path: string, init: RequestInit): Promise<Response> => {
    const method = init.method ?? "";
    this.asked.push({ path, method, headers: init.headers as Record<string, string>, body: init.body ? JSON.parse(String(init.body)) : null });
    if (!this.reachable) throw new TypeError("Failed to fetch");
    const [status, body] = this.answers[`${method} ${path}`] ?? [404];
    return new Response(body ? JSON.stringify(body) : null, { status });
  };
}

/** The windows of one seat. */
function windows(): () => Siblings {
  const listeners: ((news: News) => void)[] = [];
  return () => {
    let mine: ((news: News) => void) | null = null;
    return {
      tell: (news) => listeners.filter((each) => each !== mine).forEach((each) => each(news)),
      heard: (listener) => listeners.push((mine = listener)),
    };
  };
}

let server: FakeServer;
let box: Box;
let open: () => Siblings;

beforeEach(() => {
  vi.useFakeTimers();
  server = new FakeServer();
  box = memoryBox();
  open = windows();
});

afterEach(() => vi.useRealTimers());

const settled = () => vi.advanceTimersByTimeAsync(0);
const session = () => new Session(new Api(null, server.fetch), box, open());

describe("Api", () => {
  it("sends JSON with every change, and the seat where there is one", async () => {
    server.answers["POST /api/sign-out"] = [204];
    await new Api("7f", server.fetch).signOut();
    await new Api(null, server.fetch).session();
    expect(server.asked).toEqual([
      { path: "/api/sign-out", method: "POST", headers: { Accept: "application/json", "Content-Type": "application/json", "X-Hubline-Seat": "7f" }, body: {} },
      { path: "/api/session", method: "GET", headers: { Accept: "application/json" }, body: null },
    ]);
  });

  it("tells a refusal, an answer of somebody in between, and no answer apart", async () => {
    const api = new Api(null, server.fetch);
    server.answers["POST /api/sign-in"] = [429, { error: "Too many.", code: "too-many", retryAfter: 9 }];
    await expect(api.signIn("a", "b")).rejects.toMatchObject({ status: 429, code: "too-many", retryAfter: 9, message: "Too many." });
    server.answers["POST /api/sign-in"] = [502];
    await expect(api.signIn("a", "b")).rejects.toBeInstanceOf(Unreachable);
    server.answers["POST /api/sign-in"] = [200];
    await expect(api.signIn("a", "b")).rejects.toBeInstanceOf(Unreachable);
    server.reachable = false;
    await expect(api.signIn("a", "b")).rejects.toBeInstanceOf(Unreachable);
  });

  it("takes a refused token for the end of the session, and only that", async () => {
    const api = new Api(null, server.fetch);
    server.answers["POST /api/token"] = [401, { error: "Over.", code: "signed-out" }];
    await expect(api.token()).rejects.toBeInstanceOf(SignedOut);
    server.answers["POST /api/token"] = [503, { error: "Soon.", code: "busy" }];
    await expect(api.token()).rejects.toBeInstanceOf(ApiError);
  });
});

describe("Session", () => {
  it("is restored without asking, or opens the entrance", async () => {
    const mine = session();
    await mine.check();
    expect(mine.door.value).toEqual({ kind: "closed", offers: { signUp: true, guests: false }, ended: false, reason: null });
    server.answers["GET /api/session"] = [200, { user: USER, signUp: true, guests: false }];
    await mine.check();
    expect(mine.door.value).toEqual({ kind: "open", user: USER });
  });

  it("tries by itself until the server can be reached", async () => {
    server.reachable = false;
    const mine = session();
    await mine.check();
    expect(mine.door.value.kind).toBe("unreachable");
    server.reachable = true;
    await vi.advanceTimersByTimeAsync(2_000);
    expect(mine.door.value.kind).toBe("closed");
    expect(vi.getTimerCount()).toBe(0);
  });

  it("remembers the name of people who have a password, not of guests", async () => {
    server.answers["POST /api/sign-in"] = [200, { user: USER }];
    server.answers["POST /api/guest"] = [201, { user: GUEST }];
    const mine = session();
    await mine.signIn("ada", "secret words");
    expect(mine.lastName).toBe("Ada");
    await mine.enterAsGuest("Visitor");
    expect(mine.lastName).toBe("Ada");
  });

  it("moves the other windows of the seat along, in and out", async () => {
    server.answers["POST /api/sign-in"] = [200, { user: USER }];
    server.answers["POST /api/sign-out"] = [204];
    const [mine, other] = [session(), session()];
    await mine.check();
    await other.check();
    server.answers["GET /api/session"] = [200, { user: USER, signUp: true, guests: false }];
    await mine.signIn("ada", "secret words");
    await settled();
    expect(other.door.value).toEqual({ kind: "open", user: USER });
    await mine.signOut();
    expect(mine.door.value).toMatchObject({ kind: "closed", reason: null });
    expect(other.door.value).toMatchObject({ kind: "closed", reason: LEFT_ELSEWHERE });
  });

  it("stays when signing out did not work, and is out when it was out already", async () => {
    server.answers["POST /api/sign-in"] = [200, { user: USER }];
    const mine = session();
    await mine.signIn("ada", "secret words");
    server.reachable = false;
    await expect(mine.signOut()).rejects.toBeInstanceOf(Unreachable);
    expect(mine.door.value.kind).toBe("open");
    server.reachable = true;
    server.answers["POST /api/sign-out"] = [401, { error: "Over.", code: "signed-out" }];
    await mine.signOut();
    expect(mine.door.value.kind).toBe("closed");
  });
});

describe("Page", () => {
  let hub: FakeHub;
  let page: Page;
  let people: Box;
  let sibling: Session;

  beforeEach(() => {
    hub = new FakeHub();
    people = memoryBox();
    hub.replies = {
      Enter: () => entered([room("r", 1)]),
      OpenRoom: () => ({ room: room("r", 1), messages: [message(1)], hasMore: false, reset: false }),
    };
    sibling = session();
    page = new Page({ files: NO_FILES, api: new Api(null, server.fetch), session: session(), openPort: hub.open, box, people });
  });

  async function signIn(user: User): Promise<void> {
    server.answers["POST /api/sign-in"] = [200, { user }];
    hub.replies.Enter = () => ({ ...entered([room("r", 1)]), me: { ...ME, ...user } });
    await page.session.signIn(user.name, "secret words");
    await settled();
  }

  it("brings the same person back to the same chat after the session has ended", async () => {
    await signIn(USER);
    const chat = page.chat.value!;
    chat.drafts.write("r", { text: "half a thought", ask: false });
    hub.endSession();
    expect(page.session.door.value).toMatchObject({ kind: "closed", reason: ENDED });
    chat.send("r", "unsent", false);
    await signIn(USER);
    expect(page.chat.value).toBe(chat);
    expect(hub.named("SendMessage")).toEqual([["r", expect.any(String), "unsent"]]);
    expect(chat.drafts.read("r").text).toBe("half a thought");
  });

  it("shows and sends nothing of the first person when another one signs in", async () => {
    await signIn(USER);
    page.chat.value!.drafts.write("r", { text: "half a thought", ask: false });
    hub.endSession();
    page.chat.value!.send("r", "unsent", false);
    await signIn(GRACE);
    const theirs = page.chat.value!;
    expect(theirs.user).toEqual(GRACE);
    expect(theirs.drafts.read("r").text).toBe("");
    expect(theirs.outbox.entries.value).toEqual([]);
    expect(hub.named("SendMessage")).toEqual([]);
    await signIn(USER);
    expect(hub.named("SendMessage")).toEqual([["r", expect.any(String), "unsent"]]);
    expect(page.chat.value!.drafts.read("r").text).toBe("half a thought");
  });

  it("forgets what it showed when the person signs out in another window", async () => {
    await signIn(USER);
    server.answers["POST /api/sign-out"] = [204];
    await sibling.signOut();
    expect(page.session.door.value).toMatchObject({ kind: "closed", ended: false, reason: LEFT_ELSEWHERE });
    expect(page.chat.value).toBeNull();
  });

  it("forgets it also when the server has told of the end before the other window does", async () => {
    await signIn(USER);
    server.answers["POST /api/sign-out"] = [204];
    hub.endSession(); // its connection is closed before the answer to the other window
    await sibling.signOut();
    expect(page.session.door.value).toMatchObject({ kind: "closed", ended: false, reason: LEFT_ELSEWHERE });
    expect(page.chat.value).toBeNull();
  });

  it("asks who is signed in when the server takes us for somebody else", async () => {
    await signIn(USER);
    server.answers["GET /api/session"] = [200, { user: GRACE, signUp: true, guests: false }];
    hub.replies.Enter = () => ({ ...entered([room("r", 1)]), me: { ...ME, ...GRACE } });
    hub.drop();
    await vi.advanceTimersByTimeAsync(2_000);
    expect(page.chat.value?.user).toEqual(GRACE);
    expect(page.chat.value?.connection.state.value.phase).toBe("live");
  });

  it("leaves nothing of a guest who signs out, and everything of a member", async () => {
    server.answers["POST /api/sign-out"] = [204];
    for (const user of [USER, GUEST]) {
      await signIn(user);
      page.chat.value!.drafts.write("r", { text: "x", ask: false });
      await page.signOut();
      expect(page.chat.value).toBeNull();
    }
    expect(people.keys("of.ada.")).toContain("of.ada.draft.r");
    expect(people.keys("of.visitor.")).toEqual([]);
  });
});

describe("refusals", () => {
  it("stand at their fields, and count down where another try makes sense later", () => {
    expect(refusalOf(new ApiError(409, "name-taken", "Taken."), 0)).toEqual({ field: "name", text: "Taken.", until: null });
    expect(refusalOf(new ApiError(401, "wrong-password", "Wrong."), 0).field).toBe("password");
    expect(refusalOf(new ApiError(403, "sign-up-closed", "Closed."), 0).field).toBeNull();
    expect(refusalOf(new ApiError(429, "too-many", "Wait 9 seconds.", 9), 1_000)).toMatchObject({ field: null, until: 10_000 });
    expect(refusalOf(new Unreachable(), 0).text).toContain("cannot be reached");
    expect(refusalOf(new ApiError(503, "unavailable", "The disk is full.", 5), 0)).toMatchObject({ text: "The disk is full.", until: 5_000 });
    expect([remaining(null, 5), remaining(10_000, 1_001), remaining(10_000, 11_000)]).toEqual([0, 9, 0]);
  });

  it("come at once for passwords that are too short", () => {
    expect(weakness("1234567")).toContain("8 characters");
    expect(weakness("😀😀😀😀")).toContain("8 characters");
    expect(weakness("12345678")).toBeNull();
  });
});

describe("the entrance", () => {
  it("offers the shortest way to newcomers, and the password to whoever was here", () => {
    expect(firstWay({ signUp: true, guests: true }, false)).toBe("guest");
    expect(firstWay({ signUp: true, guests: true }, true)).toBe("sign-in");
    expect(firstWay({ signUp: true, guests: false }, false)).toBe("sign-in");
  });
});

describe("seats", () => {
  it("are made for guests' windows, kept over reloads, and not there elsewhere", () => {
    const tab = memoryBox();
    expect(seatOf(false, tab)).toBeNull();
    const seat = seatOf(true, tab);
    expect(seat).toMatch(/^[a-z0-9]{1,12}$/);
    expect([seatOf(true, tab), seatOf(false, tab)]).toEqual([seat, seat]);
    expect(seatOf(true, memoryBox())).not.toBe(seat);
    tab.write("seat", "not/a seat");
    expect(seatOf(false, tab)).toBeNull();
  });
});

describe("the list of people", () => {
  it("finds by any part of a name, beginnings first", () => {
    const account = (name: string) => ({ ...USER, id: name, name, isDisabled: false, usedToday: 0, createdAt: "" });
    const people = ["Linus", "Ada", "Margarete", "Garry"].map(account);
    expect(peopleFor(" GAR ", people).map((each) => each.name)).toEqual(["Garry", "Margarete"]);
    expect(peopleFor("", people).map((each) => each.name)).toEqual(["Ada", "Garry", "Linus", "Margarete"]);
  });
});

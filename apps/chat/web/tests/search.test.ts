import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Connection } from "../src/connection/connection";
import type { Found, SearchResult } from "../src/connection/contract";
import { hitsOf, MessageSearch } from "../src/search/search";
import { ADA, FakeHub } from "./fake-port";

const found = (seq: number): Found => ({ messageId: `m${seq}`, roomId: "r", seq, author: ADA, sentAt: "2026-01-01T10:00:00Z", excerpt: ["a ", "word"] });

let hub: FakeHub;
let search: MessageSearch;
let connection: Connection;

beforeEach(async () => {
  vi.useFakeTimers();
  hub = new FakeHub();
  hub.replies = { Search: (): SearchResult => ({ found: [found(3), found(2)], hasMore: true }) };
  connection = new Connection(hub.open);
  search = new MessageSearch(connection);
  connection.hooks = { greet: async () => undefined, live: () => search.resume(), called: () => undefined, turnedAway: () => undefined };
  connection.open();
  await vi.advanceTimersByTimeAsync(0);
});

afterEach(() => vi.useRealTimers());

const ids = () => search.state.value.found.map((each) => each.messageId);
const typed = async (query: string) => {
  search.type(query);
  await vi.advanceTimersByTimeAsync(300);
};

describe("MessageSearch", () => {
  it("asks once when the typing pauses", async () => {
    for (const query of ["w", "wo", "wor"]) search.type(query);
    expect(search.state.value.status).toBe("loading");
    await vi.advanceTimersByTimeAsync(300);
    expect(hub.named("Search")).toEqual([["wor", null, 0]]);
    expect([search.state.value.status, ids()]).toEqual(["ready", ["m3", "m2"]]);
  });

  it("asks for nothing when there is nothing to ask", async () => {
    await typed("word");
    await typed("  ");
    expect(search.state.value).toMatchObject({ status: "idle", found: [], query: "  " });
    expect(hub.named("Search")).toHaveLength(1);
  });

  it("forgets an answer that comes after newer words", async () => {
    let late: (result: SearchResult) => void = () => undefined;
    hub.replies.Search = () => new Promise((resolve) => (late = resolve));
    await typed("old");
    hub.replies.Search = (): SearchResult => ({ found: [found(9)], hasMore: false });
    await typed("new");
    late({ found: [found(1)], hasMore: false });
    await vi.advanceTimersByTimeAsync(0);
    expect(ids()).toEqual(["m9"]);
  });

  it("goes to nothing that was found for other words", async () => {
    await typed("word");
    hub.replies.Search = (): SearchResult => ({ found: [found(9)], hasMore: false });
    const went: string[][] = [];
    const go = (all: readonly Found[]) => void went.push(all.map((each) => each.messageId));
    search.type("new");
    search.whenFound(go); // Enter, before the answer
    expect(went).toEqual([]);
    await vi.advanceTimersByTimeAsync(300);
    expect(went).toEqual([["m9"]]);
    search.whenFound(go);
    expect(went).toEqual([["m9"], ["m9"]]);
    search.type("newer");
    search.whenFound(go);
    await typed("newest"); // other words: Enter is forgotten
    expect(went).toHaveLength(2);
  });

  it("searches one room, and all again", async () => {
    await typed("word");
    search.within("r");
    expect(ids()).toEqual([]);
    await vi.advanceTimersByTimeAsync(300);
    search.within(null);
    await vi.advanceTimersByTimeAsync(300);
    expect(hub.named("Search").map(([, room]) => room)).toEqual([null, "r", null]);
  });

  it("shows older ones below, none twice", async () => {
    await typed("word");
    hub.replies.Search = (): SearchResult => ({ found: [found(2), found(1)], hasMore: false });
    await search.more();
    expect(hub.named("Search")[1]).toEqual(["word", null, 2]);
    expect([ids(), search.state.value.hasMore]).toEqual([["m3", "m2", "m1"], false]);
  });

  it("says what the server says, and tries again when it is asked to", async () => {
    const reply = hub.replies.Search!;
    hub.replies.Search = () => {
      throw new Error("HubError: too many calls: try again in 1 s");
    };
    await typed("word");
    expect(search.state.value).toMatchObject({ status: "error", error: "too many calls: try again in 1 s" });
    hub.replies.Search = reply;
    search.retry();
    await vi.advanceTimersByTimeAsync(300);
    expect(search.state.value).toMatchObject({ status: "ready", error: null });
  });

  it("asks again by itself after a reconnect", async () => {
    hub.reachable = false;
    hub.drop();
    await typed("word");
    expect(search.state.value.error).toBe("There is no connection at the moment.");
    hub.reachable = true;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(ids()).toEqual(["m3", "m2"]);
  });

  it("knows the words to mark", () => {
    expect(hitsOf({ ...found(1), excerpt: ["", "One", " and ", "two", " and ", "One"] })).toEqual(["One", "two"]);
    expect(hitsOf({ ...found(1), excerpt: ["An ", "one"], files: [["", "plan", ".pdf"], ["", "one", ".", "pdf"]] })).toEqual(["one", "plan", "pdf"]);
  });
});

import { describe, expect, it } from "vitest";
import { stateOf, Working, worksOf } from "../src/conversations/working";
import { Connection } from "../src/connection/connection";
import type { Room } from "../src/connection/contract";
import { memoryBox } from "../src/ui/storage";
import { Store } from "../src/ui/store";
import { FakeHub, room } from "./fake-port";

const run = (room: string | null, state: "queued" | "running" | "waiting" | "completed" | "failed", endedAt: string | null = null) => ({ room, state, endedAt });
const doing = (runs: Parameters<typeof worksOf>[0]) => [...worksOf(runs, {})].map(([room, work]) => [room, work.doing]);

describe("what conversations do", () => {
  it("is what their runs do that have not ended", () => {
    const runs = [run("a", "completed"), run("a", "running"), run("b", "running"), run("b", "completed"), run("c", "waiting"), run("d", "failed"), run(null, "running")];
    expect(doing(runs)).toEqual([["a", "working"], ["b", "working"], ["c", "waiting"], ["d", "ended"]]);
    expect(doing([run("a", "queued"), run("a", "running"), run("a", "queued")])).toEqual([["a", "working"]]);
  });

  it("is new when an answer has ended since they were seen here", () => {
    const fresh = (seen: Record<string, string>) => worksOf([run("a", "completed", "T2"), run("a", "completed", "T1")], seen).get("a")?.fresh;
    expect([fresh({}), fresh({ a: "" }), fresh({ a: "T1" }), fresh({ a: "T2" })]).toEqual([false, true, true, false]);
  });

  it("is said in one word", () => {
    const work = (doing: "working" | "waiting" | "ended", fresh = false) => ({ doing, ended: "", fresh });
    expect(stateOf(work("working", true), true, true)).toBe("working");
    expect(stateOf(work("waiting"), false, false)).toBe("waiting");
    expect([stateOf(work("ended", true), false, false), stateOf(undefined, false, true)]).toEqual(["unread", "unread"]);
    expect([stateOf(work("ended", true), true, true), stateOf(undefined, false, false)]).toEqual(["done", "done"]);
  });
});

describe("Working", () => {
  it("watches my runs from the first conversation on, and again after a reconnect", async () => {
    const hub = new FakeHub();
    const connection = new Connection(hub.open);
    connection.hooks = { greet: async () => undefined, live: () => undefined, called: () => undefined, turnedAway: () => undefined };
    const list = new Store<readonly Room[] | null>(null);
    const active = new Store<string | null>("c");
    const working = new Working(connection.line, list, active, memoryBox());
    const now = () => working.rooms.value.get("c");
    connection.open();
    await expect.poll(() => connection.state.value.phase).toBe("live");
    list.set([room("r")]);
    expect(hub.named("WatchRuns")).toEqual([]);
    list.set([room("r"), { ...room("c"), isConversation: true }]);
    expect(hub.named("WatchRuns")).toEqual([[null]]);
    hub.streams[0]!.subscriber.next({ kind: "runs", runs: [{ id: "1", room: "c", state: "queued" }] });
    await expect.poll(() => now()?.doing).toBe("waiting");
    hub.streams[0]!.subscriber.next({ kind: "run", info: { id: "1", room: "c", state: "running" } });
    await expect.poll(() => now()?.doing).toBe("working");
    active.set("r");
    hub.drop();
    await expect.poll(() => hub.named("WatchRuns").length, { timeout: 20_000 }).toBe(2);
    hub.streams.at(-1)!.subscriber.next({ kind: "runs", runs: [{ id: "1", room: "c", state: "completed", endedAt: "T1" }] });
    await expect.poll(now).toEqual({ doing: "ended", ended: "T1", fresh: true });
    active.set("c");
    expect(now()?.fresh).toBe(false);
    connection.close();
  }, 30_000);
});

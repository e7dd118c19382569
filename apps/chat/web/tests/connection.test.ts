import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { delayBefore } from "../src/connection/backoff";
import { Connection } from "../src/connection/connection";
import { ConnectionLost, Refused, sentence } from "../src/connection/errors";
import { FakeHub } from "./fake-port";

let hub: FakeHub;
let connection: Connection;
let greetings: number;
let lives: number;
let turnedAway: (string | null)[];

beforeEach(() => {
  vi.useFakeTimers();
  hub = new FakeHub();
  connection = new Connection(hub.open);
  greetings = 0;
  lives = 0;
  turnedAway = [];
  connection.hooks = {
    greet: async () => void greetings++, live: () => void lives++, called: () => undefined, turnedAway: (reason) => turnedAway.push(reason),
  };
});

afterEach(() => vi.useRealTimers());

const settled = () => vi.advanceTimersByTimeAsync(0);
const phase = () => connection.state.value.phase;

describe("Connection", () => {
  it("is live only after the greeting, and says which transport it is", async () => {
    expect(phase()).toBe("signed-out");
    connection.open();
    expect(phase()).toBe("connecting");
    await settled();
    expect(phase()).toBe("live");
    expect(connection.state.value.transport).toBe("WebSockets");
    expect([greetings, lives]).toEqual([1, 1]);
  });

  it("counts down after a loss, tries again, greets again and counts the reconnect", async () => {
    connection.open();
    await settled();
    hub.drop();
    expect(phase()).toBe("reconnecting");
    expect(connection.state.value.retryAt).toBeGreaterThan(Date.now());
    await vi.advanceTimersByTimeAsync(1_000);
    expect(phase()).toBe("live");
    expect(greetings).toBe(2);
    expect(connection.state.value.reconnects).toBe(1);
  });

  it("waits longer from try to try, at most about half a minute", async () => {
    expect(Array.from({ length: 9 }, (_, attempt) => delayBefore(attempt, () => 0.5))).toEqual([
      500, 1_000, 2_000, 4_000, 8_000, 15_000, 30_000, 30_000, 30_000,
    ]);
    hub.reachable = false;
    connection.open();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(hub.choices.length).toBeGreaterThan(4);
    expect(hub.choices.length).toBeLessThan(10);
  });

  it("tries at once when asked to", async () => {
    connection.open();
    await settled();
    hub.drop();
    connection.tryNow();
    await settled();
    expect(phase()).toBe("live");
    await vi.advanceTimersByTimeAsync(60_000);
    expect(greetings).toBe(2);
  });

  it("does nothing while the network is off, and comes back with it", async () => {
    connection.open();
    await settled();
    connection.setOnline(false);
    expect(phase()).toBe("offline");
    await vi.advanceTimersByTimeAsync(120_000);
    expect(hub.choices).toHaveLength(1);
    connection.setOnline(true);
    await settled();
    expect(phase()).toBe("live");
  });

  it("gives up with the server's sentence when it does not let us in", async () => {
    connection.hooks = { ...connection.hooks!, greet: async () => Promise.reject(new Refused("That name is taken.")) };
    connection.open();
    await settled();
    expect(phase()).toBe("signed-out");
    expect(turnedAway).toEqual(["That name is taken."]);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(hub.choices).toHaveLength(1);
  });

  it.each([
    ["no session to start with", () => ((hub.sessionOver = true), hub.drop())],
    ["no new token for an open connection", () => hub.endSession()],
  ])("is signed out, and stays so, when there is %s", async (_, end) => {
    connection.open();
    await settled();
    end();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(phase()).toBe("signed-out");
    expect(turnedAway).toEqual([null]);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(hub.choices.length).toBeLessThanOrEqual(2);
    hub.sessionOver = false;
    connection.open();
    await settled();
    expect(phase()).toBe("live");
  });

  it("changes the transport at once", async () => {
    connection.open();
    await settled();
    connection.choose("longPolling");
    await settled();
    expect(hub.choices).toEqual(["auto", "longPolling"]);
    expect(phase()).toBe("live");
    expect(connection.state.value.reconnects).toBe(0);
  });

  it("measures the round trip, and gives up a connection that does not answer", async () => {
    connection.open();
    await settled();
    await connection.ping();
    expect(connection.state.value.rtt).toBeGreaterThanOrEqual(0);
    hub.replies.Ping = () => new Promise(() => undefined);
    void connection.ping();
    await vi.advanceTimersByTimeAsync(6_100);
    expect(connection.state.value.reconnects + (phase() === "reconnecting" ? 1 : 0)).toBe(1);
  });

  it("asks for a sign of life when a call stays unanswered, says that it waits, and gives up", async () => {
    connection.open();
    await settled();
    const frozen = () => new Promise(() => undefined);
    hub.replies = { Ask: frozen, Ping: frozen };
    const pings = hub.named("Ping").length;
    const call = connection.invoke("Ask");
    call.catch(() => undefined);
    await vi.advanceTimersByTimeAsync(2_900);
    expect(hub.named("Ping")).toHaveLength(pings);
    await vi.advanceTimersByTimeAsync(200);
    expect(hub.named("Ping")).toHaveLength(pings + 1);
    await vi.advanceTimersByTimeAsync(500);
    expect(connection.state.value).toMatchObject({ phase: "live", waiting: true });
    await vi.advanceTimersByTimeAsync(5_500);
    await expect(call).rejects.toBeInstanceOf(ConnectionLost);
    expect(connection.state.value).toMatchObject({ phase: "reconnecting", waiting: false });
  });

  it("does not doubt a network that answers while the server works", async () => {
    connection.open();
    await settled();
    let done = (_: string) => {};
    hub.replies = { Ask: () => new Promise<string>((resolve) => (done = resolve)) };
    const call = connection.invoke("Ask");
    await vi.advanceTimersByTimeAsync(20_000);
    expect(connection.state.value).toMatchObject({ phase: "live", waiting: false });
    done("late");
    expect(await call).toBe("late");
  });

  it("hears again what was silent for a while", async () => {
    connection.open();
    await settled();
    let pong = (_: string) => {};
    hub.replies = { Ask: () => new Promise(() => undefined), Ping: () => new Promise<string>((resolve) => (pong = resolve)) };
    connection.invoke("Ask").catch(() => undefined);
    await vi.advanceTimersByTimeAsync(4_000);
    expect(connection.state.value.waiting).toBe(true);
    pong("now");
    await settled();
    expect(connection.state.value).toMatchObject({ phase: "live", waiting: false });
  });

  it("tells a refusal from a loss", async () => {
    connection.open();
    await settled();
    hub.replies.Ask = () => {
      throw new Error("An unexpected error occurred invoking 'Ask' on the server. HubException: Enter first.");
    };
    await expect(connection.invoke("Ask")).rejects.toThrow(new Refused("Enter first."));
    hub.replies.Ask = () => {
      hub.drop();
      throw new Error("Invocation canceled due to the underlying connection being closed.");
    };
    await expect(connection.invoke("Ask")).rejects.toBeInstanceOf(ConnectionLost);
    await expect(connection.invoke("Ask")).rejects.toBeInstanceOf(ConnectionLost);
  });
});

describe("sentence", () => {
  it("leaves out what servers put before it", () => {
    expect(sentence(new Error("An unexpected error occurred invoking 'X' on the server. HubError: No.\nReally."))).toBe("No.\nReally.");
    expect(sentence(new Error("Plain."))).toBe("Plain.");
    expect(sentence(new Error(""))).toBe("Something went wrong.");
  });
});

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { connectionState, keepConnected, type ConnectionState } from "../../src/index.js";
import { FakeConnection } from "./fake-connection.js";

let connection: FakeConnection;
let page: EventTarget;
let visibility: string;

beforeEach(() => {
  vi.useFakeTimers();
  connection = new FakeConnection();
  page = new EventTarget();
  visibility = "visible";
  vi.stubGlobal("addEventListener", page.addEventListener.bind(page));
  vi.stubGlobal("document", {
    addEventListener: page.addEventListener.bind(page),
    get visibilityState() {
      return visibility;
    },
  });
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

const soon = () => vi.advanceTimersByTimeAsync(0);

test("tries the first start again until it succeeds, and says so", async () => {
  connection.onStart = () => Promise.reject(new Error("no route"));
  const kept = keepConnected(connection);
  const seen: ConnectionState[] = [];
  kept.state.subscribe((state) => seen.push(state));
  await soon();
  expect(kept.state.value).toMatchObject({ status: "connecting", error: { message: "no route" } });
  expect(kept.state.value.retryAt).toBeGreaterThan(Date.now());
  await vi.advanceTimersByTimeAsync(120_000);
  expect(connection.starts).toBeGreaterThan(7);
  expect(connection.starts).toBeLessThan(30);
  connection.onStart = () => Promise.resolve();
  await vi.advanceTimersByTimeAsync(45_000);
  expect(kept.state.value).toEqual({ status: "connected", error: null, retryAt: null });
  expect(seen.at(-1)).toBe(kept.state.value);
});

test("starts again when it is closed, but not in a circle when the server closes at once", async () => {
  const kept = keepConnected(connection);
  await soon();
  await vi.advanceTimersByTimeAsync(10_000);
  connection.close(new Error("restarting"));
  expect(kept.state.value).toMatchObject({ status: "reconnecting", error: { message: "restarting" } });
  await vi.advanceTimersByTimeAsync(400);
  expect(kept.state.value.status).toBe("connected");
  const before = connection.starts;
  const until = Date.now() + 60_000;
  while (Date.now() < until) {
    if (connection.state === "Connected") connection.close();
    await vi.advanceTimersByTimeAsync(50);
  }
  expect(connection.starts - before).toBeLessThan(20);
});

test.each(["401", "403"])("a refusal (%s) is a state, and retry() tries again", async (code) => {
  connection.onStart = () => Promise.reject(new Error(`Failed to complete negotiation with the server: Error: Unauthorized: Status code '${code}'`));
  const kept = keepConnected(connection);
  await vi.advanceTimersByTimeAsync(100_000);
  expect(connection.starts).toBe(1);
  expect(kept.state.value).toMatchObject({ status: "refused", retryAt: null });
  page.dispatchEvent(new Event("focus"));
  await soon();
  expect(connection.starts).toBe(1);
  connection.onStart = () => Promise.resolve();
  kept.retry();
  await soon();
  expect(kept.state.value).toEqual({ status: "connected", error: null, retryAt: null });
});

test("the application may say when to give up", async () => {
  connection.onStart = () => Promise.reject(new Error("no route"));
  const kept = keepConnected(connection, { retry: (error, attempt) => error.message !== "no route" || attempt < 3 });
  await vi.advanceTimersByTimeAsync(100_000);
  expect(connection.starts).toBe(4);
  expect(kept.state.value.status).toBe("refused");
});

test("tries at once when the network is back, also behind another page", async () => {
  connection.onStart = () => Promise.reject(new Error("no route"));
  const kept = keepConnected(connection);
  await vi.advanceTimersByTimeAsync(60_000);
  connection.onStart = () => Promise.resolve();
  visibility = "hidden";
  page.dispatchEvent(new Event("online"));
  await soon();
  expect(kept.state.value.status).toBe("connected");
});

test.each(["focus", "pageshow", "visibilitychange"])("tries at once when the page hears %s, and can be seen", async (event) => {
  connection.onStart = () => Promise.reject(new Error("no route"));
  const kept = keepConnected(connection);
  await vi.advanceTimersByTimeAsync(60_000);
  const { starts } = connection;
  connection.onStart = () => Promise.resolve();
  visibility = "hidden";
  page.dispatchEvent(new Event(event));
  await soon();
  expect(connection.starts).toBe(starts);
  visibility = "visible";
  page.dispatchEvent(new Event(event));
  await soon();
  expect(connection.starts).toBe(starts + 1);
  expect(kept.state.value.status).toBe("connected");
});

test("does not wait for the client's own next try when the network is back", async () => {
  const kept = keepConnected(connection);
  await vi.advanceTimersByTimeAsync(10_000);
  connection.drop();
  expect(kept.state.value.status).toBe("reconnecting");
  page.dispatchEvent(new Event("online"));
  await vi.advanceTimersByTimeAsync(1);
  expect(kept.state.value.status).toBe("connected");
  expect(connection.starts).toBe(2);
});

test("an open connection is probed when the page is back, and one that is silent is started anew", async () => {
  const kept = keepConnected(connection);
  await vi.advanceTimersByTimeAsync(10_000);
  page.dispatchEvent(new Event("focus"));
  page.dispatchEvent(new Event("pageshow"));
  expect(connection.invocations).toMatchObject([{ method: "RoomRuns", args: [""] }]);
  connection.invocations[0]?.reject(new Error("Method does not exist."));
  await vi.advanceTimersByTimeAsync(10_000);
  expect(connection.starts).toBe(1);
  page.dispatchEvent(new Event("focus"));
  await vi.advanceTimersByTimeAsync(5_001);
  expect(connection.stops).toBe(1);
  expect(connection.starts).toBe(2);
  expect(kept.state.value.status).toBe("connected");
});

test("a start that nobody answers is broken off", async () => {
  let stop = () => {};
  connection.onStart = () => new Promise((_, reject) => (stop = () => reject(new Error("stopped"))));
  const stopped = vi.spyOn(connection, "stop").mockImplementation(async () => stop());
  keepConnected(connection);
  await vi.advanceTimersByTimeAsync(14_999);
  expect(stopped).not.toHaveBeenCalled();
  connection.onStart = () => Promise.resolve();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(connection.state).toBe("Connected");
});

test("a start that began on a network that is no more is begun anew when there is one", async () => {
  let stop = () => {};
  connection.onStart = () => new Promise((_, reject) => (stop = () => reject(new Error("stopped"))));
  vi.spyOn(connection, "stop").mockImplementation(async () => {
    stop();
    await Promise.resolve();
  });
  keepConnected(connection);
  await vi.advanceTimersByTimeAsync(4_000);
  page.dispatchEvent(new Event("focus"));
  await soon();
  expect(connection.starts).toBe(1);
  connection.onStart = () => Promise.resolve();
  await vi.advanceTimersByTimeAsync(4_000);
  page.dispatchEvent(new Event("online"));
  await soon();
  expect(connection).toMatchObject({ starts: 2, state: "Connected" });
});

test("is shared, survives being ended and begun again at once, and leaves nothing behind", async () => {
  const first = keepConnected(connection);
  const ended = first.stop();
  const second = keepConnected(connection);
  await vi.advanceTimersByTimeAsync(10);
  await ended;
  expect(connection).toMatchObject({ starts: 1, stops: 0, state: "Connected" });
  const last = second.stop();
  await vi.advanceTimersByTimeAsync(10);
  await last;
  expect(connection).toMatchObject({ stops: 1, state: "Disconnected" });
  await vi.advanceTimersByTimeAsync(100_000);
  expect(connection.starts).toBe(1);
  expect(second.state.value.status).toBe("disconnected");
  page.dispatchEvent(new Event("online"));
  await soon();
  expect(connection.starts).toBe(1);
  expect(vi.getTimerCount()).toBe(0);
});

test("without it the state is that of the connection, also when the application starts it", async () => {
  const state = connectionState(connection);
  const seen: string[] = [];
  const end = state.subscribe(({ status }) => seen.push(status));
  void connection.start();
  await vi.advanceTimersByTimeAsync(150);
  connection.drop();
  await soon();
  connection.close(new Error("over"));
  await soon();
  expect(seen).toEqual(["connected", "reconnecting", "disconnected"]);
  expect(state.value.error?.message).toBe("over");
  end();
  expect(vi.getTimerCount()).toBe(0);
});

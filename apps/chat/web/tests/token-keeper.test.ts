import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ConnectionLost, SignedOut } from "../src/connection/errors";
import { TokenKeeper, type FetchToken } from "../src/connection/token-keeper";

let fetched: number;
let presented: string[];
let signedOut: number;
let failed: number;
let fetch: FetchToken;
let present: (token: string) => Promise<void>;
let keeper: TokenKeeper;

beforeEach(() => {
  vi.useFakeTimers();
  [fetched, signedOut, failed, presented] = [0, 0, 0, []];
  fetch = async () => ({ token: `t${++fetched}`, expiresIn: 300 });
  present = async (token) => void presented.push(token);
  keeper = new TokenKeeper(() => fetch(), {
    present: (token) => present(token),
    signedOut: () => void signedOut++,
    failed: () => void failed++,
  });
});

afterEach(() => vi.useRealTimers());

async function opened(): Promise<void> {
  await keeper.begin();
  keeper.run();
}

describe("TokenKeeper", () => {
  it("presents a new token when four fifths of the old one's life are over, again and again", async () => {
    await opened();
    await vi.advanceTimersByTimeAsync(239_900);
    expect(presented).toEqual([]);
    await vi.advanceTimersByTimeAsync(200);
    expect(presented).toEqual(["t2"]);
    expect(keeper.token).toBe("t2");
    await vi.advanceTimersByTimeAsync(240_000);
    expect(presented).toEqual(["t2", "t3"]);
  });

  it("counts a token's life from when it was asked for, not from when the connection was open", async () => {
    await keeper.begin();
    await vi.advanceTimersByTimeAsync(100_000);
    keeper.run();
    await vi.advanceTimersByTimeAsync(140_100);
    expect(presented).toEqual(["t2"]);
  });

  it("does nothing any more once it is stopped, even in the middle of an exchange", async () => {
    await opened();
    let answer = () => {};
    fetch = () => new Promise((resolve) => (answer = () => resolve({ token: "late", expiresIn: 300 })));
    await vi.advanceTimersByTimeAsync(240_000);
    keeper.stop();
    answer();
    await vi.advanceTimersByTimeAsync(600_000);
    expect([presented, signedOut, failed]).toEqual([[], 0, 0]);
  });

  it("says so when the session has ended", async () => {
    await opened();
    fetch = async () => Promise.reject(new SignedOut());
    await vi.advanceTimersByTimeAsync(240_000);
    expect([signedOut, failed]).toEqual([1, 0]);
    await vi.advanceTimersByTimeAsync(600_000);
    expect(signedOut).toBe(1);
  });

  it.each(["fetching", "presenting"])("gives up after another failure, of %s", async (what) => {
    await opened();
    const broken = async () => Promise.reject(new Error("no"));
    if (what === "fetching") fetch = broken;
    else present = broken;
    await vi.advanceTimersByTimeAsync(600_000);
    expect([signedOut, failed, vi.getTimerCount()]).toEqual([0, 1, 0]);
  });

  it("lets nobody start with the token of a connection that was stopped meanwhile", async () => {
    const begun = keeper.begin();
    keeper.stop();
    await expect(begun).rejects.toBeInstanceOf(ConnectionLost);
  });

  it("sleeps through lives that are longer than a timer can be", async () => {
    fetch = async () => ({ token: "long", expiresIn: 90 * 86_400 });
    await opened();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(presented).toEqual([]);
  });
});

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { mentions, ReadMarks, unread } from "../src/rooms/read-marks";
import { room } from "./fake-port";

let sent: [string, number][];
let reachable: boolean;
let marks: ReadMarks;

beforeEach(() => {
  vi.useFakeTimers();
  sent = [];
  reachable = true;
  marks = new ReadMarks(async (roomId, seq) => {
    if (!reachable) throw new Error("gone");
    sent.push([roomId, seq]);
  });
  marks.restore([{ roomId: "r", seq: 4, mentions: [6, 8] }], [room("r", 9)]);
});

afterEach(() => vi.useRealTimers());

const passed = () => vi.advanceTimersByTimeAsync(1_000);
const news = (lastSeq: number) => [unread(room("r", lastSeq), marks.marks.value), mentions(room("r", lastSeq), marks.marks.value)];

describe("read marks", () => {
  it("count from what the server says; a room it does not name is all unread", () => {
    expect(news(9)).toEqual([5, 2]);
    expect(unread(room("new", 3), marks.marks.value)).toBe(3);
  });

  it("rise only, and are sent together, the newest of each room", async () => {
    for (const seq of [5, 7, 6]) marks.mark("r", seq);
    marks.mark("other", 2);
    expect(sent).toEqual([]);
    await passed();
    expect(sent).toEqual([["r", 7], ["other", 2]]);
    expect(news(9)).toEqual([2, 1]);
    marks.mark("r", 7);
    await passed();
    expect(sent).toHaveLength(2);
  });

  it("follow another device, and send nothing that it has sent", async () => {
    marks.mark("r", 5);
    marks.changed("r", 9);
    marks.changed("r", 3);
    await passed();
    expect([sent, news(9)]).toEqual([[], [0, 0]]);
  });

  it("count a mention once, and none that is read", () => {
    for (const seq of [4, 8, 10, 10]) marks.mentioned("r", seq);
    expect(news(10)).toEqual([6, 3]);
  });

  it("bring the server what was read without a connection, and forget it when the server has lost those messages", async () => {
    reachable = false;
    marks.mark("r", 8);
    marks.mark("emptied", 5);
    await passed();
    reachable = true;
    marks.restore([{ roomId: "r", seq: 5, mentions: [6, 9] }], [room("r", 9), room("emptied", 2)]);
    expect(news(9)).toEqual([1, 1]);
    await passed();
    expect(sent).toEqual([["r", 8]]);
    expect(marks.read("emptied")).toBe(0);
  });
});

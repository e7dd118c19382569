import { describe, expect, it } from "vitest";
import type { Message } from "../src/connection/contract";
import { drawnOf, edgesOf, grown, STEP } from "../src/messages/drawn";
import { FRESH_VIEW, type RoomView } from "../src/rooms/room-view";
import { message } from "./fake-port";

const span = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => message(from + index, { text: "" }));
const view = (messages: readonly Message[], hasLater = false): RoomView => ({ ...FRESH_VIEW, status: "ready", messages, hasMore: true, hasLater });
const ends = ({ messages }: RoomView) => [messages[0]?.seq, messages.at(-1)?.seq];

/** All frames until the view is drawn whole. */
function frames(next: RoomView, before: RoomView): RoomView[] {
  let edges = edgesOf(before);
  const drawn = [drawnOf(next, edges, null)];
  while (drawn.at(-1) !== next) {
    edges = grown(next, edges);
    drawn.push(drawnOf(next, edges, null));
    edges = edgesOf(drawn.at(-1)!);
  }
  return drawn;
}

describe("a page of history", () => {
  it("is drawn from below, a few messages in each frame", () => {
    const drawn = frames(view(span(51, 150)), view(span(101, 150)));
    expect(drawn.map((each) => each.messages.length)).toEqual([50, 58, 66, 74, 82, 90, 98, 100]);
    expect(drawn.every((each) => ends(each)[1] === 150)).toBe(true);
    expect(drawn.slice(0, -1).every((each) => each.earlier === "loading" && each.hasMore)).toBe(true);
  });

  it("has fewer messages in a frame when they are long", () => {
    const long = span(51, 100).map((each) => ({ ...each, text: "x".repeat(2_000) }));
    const sizes = frames(view([...long, ...span(101, 150)]), view(span(101, 150))).map((each) => each.messages.length);
    expect(sizes.slice(0, 3)).toEqual([50, 52, 54]);
  });

  it("is drawn from above when it follows, and says until then that more will come", () => {
    const drawn = frames(view(span(1, 100)), view(span(1, 50), true));
    expect(drawn.map((each) => each.messages.length)).toEqual([50, 58, 66, 74, 82, 90, 98, 100]);
    expect(drawn.slice(0, -1).every((each) => each.later === "loading" && each.hasLater)).toBe(true);
  });

  it("is drawn in steps also when as many messages were taken off at the other end", () => {
    expect(frames(view(span(51, 110), true), view(span(101, 150))).map(ends).slice(0, 2)).toEqual([[101, 110], [93, 110]]);
    expect(frames(view(span(41, 100), true), view(span(1, 50), true)).map(ends).slice(0, 2)).toEqual([[41, 50], [41, 58]]);
  });
});

describe("everything else", () => {
  it("is drawn at once: the first messages, news, and other messages", () => {
    expect(frames(view(span(101, 150)), FRESH_VIEW)).toHaveLength(1);
    expect(frames(view(span(101, 150)), view([message(0)]))).toHaveLength(1);
    expect(frames(view(span(101, 150 + 3 * STEP)), view(span(101, 150)))).toHaveLength(1);
    expect(frames(view(span(1, 50), true), view(span(101, 150)))).toHaveLength(1);
  });

  it("is drawn at once above a message that is wanted", () => {
    const next = view(span(51, 150));
    expect(drawnOf(next, edgesOf(view(span(101, 150))), "m60")).toBe(next);
    expect(drawnOf(next, edgesOf(view(span(101, 150))), "m120")).not.toBe(next);
  });
});

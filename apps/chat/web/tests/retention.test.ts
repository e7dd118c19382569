import { expect, it } from "vitest";
import { choices, retentionOf, retentionSentence } from "../src/rooms/retention";

it("says the shorter retention of room and server", () => {
  expect(retentionOf({ retentionDays: 7 }, null)).toBe(7);
  expect(retentionOf({ retentionDays: 7 }, 3)).toBe(3);
  expect(retentionOf({}, 30)).toBe(30);
  expect(retentionOf({ retentionDays: null }, null)).toBeNull();
  expect([null, 1, 3_000].map(retentionSentence)).toEqual(["Messages are kept for good.", "Messages are deleted after 1 day.", "Messages are deleted after 3,000 days."]);
});

it("offers what a room is set to", () => {
  expect(choices(null)).toEqual([1, 7, 30, 90, 365]);
  expect(choices(30)).toEqual([1, 7, 30, 90, 365]);
  expect(choices(45)).toEqual([1, 7, 30, 45, 90, 365]);
});

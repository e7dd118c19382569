import { describe, expect, it } from "vitest";
import { follows } from "../src/messages/follow";

const at = (top: number, height = 5_000) => ({ top, height, client: 500 });

describe("a view that follows its end", () => {
  it("lets go when the reader moves up, and stays let go", () => {
    expect(follows(true, at(4_500), at(4_300))).toBe(false);
    expect(follows(false, at(4_300), at(4_350))).toBe(false);
  });

  it("follows again at its end", () => {
    expect(follows(false, at(4_300), at(4_460))).toBe(true);
  });

  it("goes on when the browser lowers the place because old messages were taken off", () => {
    expect(follows(true, at(40_000, 40_900), at(26_400, 27_300))).toBe(true);
  });

  it("goes on when the content has grown and nobody moved", () => {
    expect(follows(true, at(4_500), at(4_500, 5_400))).toBe(true);
  });

  it("goes on while the reader types, when the text field was small for a moment", () => {
    expect(follows(true, at(4_500), at(4_387), true)).toBe(true);
    expect(follows(false, at(4_300), at(4_200), true)).toBe(false);
  });

  it("lets go when the reader moves up by more than was taken off", () => {
    expect(follows(true, at(4_500), at(3_000, 4_800))).toBe(false);
  });
});

import { describe, expect, it } from "vitest";
import { fitting, type Found } from "../src/rooms/use-find-people";
import { ADA } from "./fake-port";

describe("people found by name", () => {
  const found: Found = { kind: "found", query: "a", people: [ADA, { ...ADA, id: "abe", name: "Abe" }] };

  it("are those of the letters that are written now", () => {
    expect(fitting(found, "a")).toEqual(found);
    expect(fitting(found, "AB")).toMatchObject({ kind: "found", people: [{ name: "Abe" }] });
    expect(fitting(found, "grace")).toEqual({ kind: "looking" });
    expect(fitting({ kind: "idle" }, "a")).toEqual({ kind: "idle" });
  });
});

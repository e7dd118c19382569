import type { Part } from "@hubline/client";
import { describe, expect, it } from "vitest";
import { livePieces, outcome, storedPieces, textOf } from "../src/answers/pieces";
import type { ToolUse } from "../src/connection/contract";

const use = (toolCallId: string, more: Partial<ToolUse> = {}): ToolUse => ({ toolCallId, name: "calculator", state: "output-available", ...more });
const text = (part: string, said: string): Part => ({ part, kind: "text", text: said });
const tool = (id: string): Part => ({ part: `tool ${id}`, kind: "data", name: "tool-calculator", value: { toolCallId: id, state: "output-available" } });

describe("the pieces of an answer", () => {
  it("are its texts and the tools in between", () => {
    const parts: Part[] = [text("1", "😀 One "), text("2", "and a half."), tool("a"), tool("b"), { part: "d", kind: "data", name: "deciders", value: [] }, text("3", "Two.")];
    const pieces = livePieces(parts);
    expect(pieces).toEqual([
      { kind: "text", text: "😀 One and a half." },
      { kind: "tool", use: use("a") },
      { kind: "tool", use: use("b") },
      { kind: "text", text: "Two." },
    ]);
    expect(textOf(pieces)).toBe("😀 One and a half.\n\nTwo.");
  });

  it("are the same when they are stored, whose places count characters and not units", () => {
    const at = Array.from("😀 One and a half.").length;
    const stored = storedPieces("😀 One and a half.\n\nTwo.", [use("a", { at }), use("b", { at })]);
    expect(stored.map((piece) => (piece.kind === "text" ? piece.text : piece.use.toolCallId))).toEqual(["😀 One and a half.", "a", "b", "Two."]);
    expect(storedPieces("Two.", [use("a", { at: 0 })])).toHaveLength(2);
    expect([storedPieces(""), storedPieces("One.")]).toEqual([[], [{ kind: "text", text: "One." }]]);
  });

  it("do not change what they were made of", () => {
    const parts = [text("1", "One "), text("2", "two")];
    livePieces(parts);
    expect(parts).toEqual([text("1", "One "), text("2", "two")]);
  });
});

describe("what became of a tool", () => {
  const said = (state: ToolUse["state"], more: Partial<ToolUse> = {}) => [true, false].map((running) => outcome(use("a", { state, ...more }), running));
  it("is said in a few words, also when its answer ended before", () => {
    expect(said("output-available")).toEqual(["", ""]);
    expect(said("output-available", { decidedBy: "Ada" })).toEqual(["agreed by Ada", "agreed by Ada"]);
    expect(said("output-denied", { decidedBy: "Ada" })).toEqual(["declined by Ada", "declined by Ada"]);
    expect(said("output-error")).toEqual(["failed", "failed"]);
    expect(said("output-error", { timedOut: true })).toEqual(["timed out", "timed out"]);
    expect(said("approval-requested")).toEqual(["waits for a decision", "was not decided"]);
    expect(said("approval-responded")).toEqual(["agreed, under way", "broke off: whether it was done is not known"]);
    expect(said("input-available")).toEqual(["under way", "was not used"]);
  });
});

import { afterEach, describe, expect, it } from "vitest";
import { argumentsOf, beginningOf, inWords } from "../src/answers/arguments";
import { assistantName, nameOf, ownName } from "../src/answers/names";
import { askedFor } from "../src/answers/pieces";
import { toolTitle } from "../src/answers/tools";
import type { ToolUse } from "../src/connection/contract";
import { texts } from "../src/language/de";
import { speak } from "../src/language/language";

afterEach(() => speak("en", {}));

describe("what a tool is given", () => {
  it("has names in words", () => {
    expect(["due_date", "dueDate", "to", "userID", "HTTP_status", "x-y.z", "_"].map(inWords)).toEqual(["due date", "due date", "to", "user ID", "HTTP status", "x y z", "_"]);
  });

  it("is read as names and values, and not as JSON", () => {
    const given = { text: "Buy\ntea", count: 2, due_date: null, is_urgent: true, tags: ["a", "b"], none: [] };
    expect(argumentsOf(given)).toEqual([["text", "Buy\ntea"], ["count", "2"], ["due date", "Nothing"], ["is urgent", "Yes"], ["tags", "a and b"], ["none", "Nothing"]]);
    expect(argumentsOf({ place: { x: 1 } })).toEqual([["place", '{\n  "x": 1\n}']]);
    expect(argumentsOf("text")).toBeNull();
    expect(argumentsOf([1])).toBeNull();
  });

  it("is cut when it is long or has many lines", () => {
    expect(beginningOf("x".repeat(240))).toBeNull();
    expect(beginningOf("x".repeat(241))).toBe(`${"x".repeat(240)}…`);
    expect(beginningOf("🌈".repeat(241))).toBe(`${"🌈".repeat(240)}…`);
    expect(beginningOf("a\n".repeat(9))).toBe("a\na\na\na\na\na…");
  });

  it("belongs to the tool that waits", () => {
    const use = (state: ToolUse["state"]) => ({ kind: "tool" as const, use: { toolCallId: state, name: "t", state } as ToolUse });
    expect(askedFor([use("output-denied"), use("approval-requested")])?.toolCallId).toBe("approval-requested");
    expect(askedFor([use("output-available"), { kind: "text", text: "x" }])).toBeUndefined();
  });
});

describe("names that are ours", () => {
  it("are translated, and those of the server's owner are not", () => {
    speak("de", texts);
    expect(assistantName("Assistant")).toBe("Assistent");
    expect(nameOf({ name: "Assistant", kind: "assistant" })).toBe("Assistent");
    expect(nameOf({ name: "Assistant", kind: "person" })).toBe("Assistant");
    expect(assistantName("Hal")).toBe("Hal");
    expect(ownName({ name: "Assistant" } as never)).toBeUndefined();
    expect(ownName({ name: "Hal" } as never)).toBe("Hal");
    expect(toolTitle("Calculator", null)).toBe("Rechner");
    expect(toolTitle("Calculator", "Sums")).toBe("Calculator");
  });
});

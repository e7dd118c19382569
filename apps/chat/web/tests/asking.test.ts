import { describe, expect, it } from "vitest";
import { askingOf } from "../src/messages/asking";

const asking = (text: string, ask = false, asks = false) => askingOf({ text, ask }, "Assistant", { asks });

describe("whether a message asks the assistant, as the server decides it", () => {
  it.each(["@ai why?", "@AI: why?", " @assistant, why?", "@ai\nwhy?", "hey @ai why?", "why (@ai)?", "why @ai", "`code` @ai what is it?"])("%j does", (text) => {
    expect(asking(text)).toBe("mention");
  });

  it.each(["", "@ai", "@ai ", "@aim high", "@assistants!", "mail@ai question", "ada@ai.example", "@ai-tools are", "@ai.example is", "`@ai` asks", "```\n@ai why?\n```", "```\n@ai why?", "@ai/x"])("%j does not", (text) => {
    expect(asking(text)).toBeNull();
  });

  it("does in the assistant's room whatever it says, and when it is sent to the assistant", () => {
    expect(asking("hello", false, true)).toBe("room");
    expect(asking("@ai why?", false, true)).toBe("mention");
    expect(asking("hello", true)).toBe("asked");
  });

  it("knows an assistant of any name", () => {
    expect(askingOf({ text: "Dear @R2-D2 (old), why?", ask: false }, "R2-D2 (old)", undefined)).toBe("mention");
    expect(askingOf({ text: "@R2", ask: false }, "R2-D2 (old)", undefined)).toBeNull();
  });
});

import type { UIMessageChunk } from "ai";
import { expect, test } from "vitest";
import { chunkWriter } from "../../src/chunks.js";
import { contentOf } from "../../src/content.js";
import type { Item } from "../../src/index.js";

type Body = Item extends infer I ? (I extends Item ? Omit<I, "position"> : never) : never;

/** The chunks for items that come one after the other. */
function chunks(...items: Body[]): UIMessageChunk[] {
  const sent: UIMessageChunk[] = [];
  const writer = chunkWriter("run", (chunk) => sent.push(chunk));
  const content = contentOf(null, null);
  items.forEach((item, index) => {
    content.apply({ ...item, position: String(index) } as Item);
    writer.write(content.state());
  });
  return sent;
}

const text = (part: string, text: string): Body => ({ kind: "text", part, text });
const data = (part: string, name: string, value: unknown): Body => ({ kind: "data", part, name, value });
const end = (state: "completed" | "stopped" | "failed", error: string | null = null): Body => ({ kind: "end", state, error, usage: [], unread: [] });
const BEGUN = [{ type: "start", messageId: "run" }, { type: "start-step" }];

test("text, reasoning and values", () => {
  expect(chunks({ kind: "reasoning", part: "r", text: "hm" }, text("t", "He"), text("t", "llo"), data("d", "score", 1), data("d", "score", 2), end("completed"))).toEqual([
    ...BEGUN,
    { type: "reasoning-start", id: "r" },
    { type: "reasoning-delta", id: "r", delta: "hm" },
    { type: "reasoning-end", id: "r" },
    { type: "text-start", id: "t" },
    { type: "text-delta", id: "t", delta: "He" },
    { type: "text-delta", id: "t", delta: "llo" },
    { type: "text-end", id: "t" },
    { type: "data-score", id: "d", data: 1 },
    { type: "data-score", id: "d", data: 2 },
    { type: "finish-step" },
    { type: "finish", finishReason: "stop" },
  ]);
});

test("sources and calls of tools", () => {
  const call = { toolCallId: "c", input: { city: "Berlin" } };
  expect(
    chunks(
      data("s", "source-url", { url: "https://example.com", title: "Example" }),
      data("tool c", "tool-weather", { toolCallId: "c", state: "input-streaming" }),
      data("tool c", "tool-weather", { ...call, state: "input-available" }),
      data("tool c", "tool-weather", { ...call, state: "output-available", output: 21 }),
      data("tool d", "tool-weather", { toolCallId: "d", input: {}, state: "output-error", errorText: "no" }),
    ),
  ).toEqual([
    ...BEGUN,
    { type: "source-url", sourceId: "s", url: "https://example.com", title: "Example" },
    { type: "tool-input-start", toolCallId: "c", toolName: "weather" },
    { type: "tool-input-available", toolCallId: "c", toolName: "weather", input: { city: "Berlin" }, providerExecuted: true },
    { type: "tool-output-available", toolCallId: "c", output: 21, providerExecuted: true },
    { type: "tool-input-available", toolCallId: "d", toolName: "weather", input: {}, providerExecuted: true },
    { type: "tool-output-error", toolCallId: "d", errorText: "no", providerExecuted: true },
  ]);
});

test("what is taken back begins the step anew with what remains, also under a name that was used", () => {
  expect(chunks(text("a", "keep"), data("d", "x", 1), text("b", "bad"), { kind: "retract", parts: ["b"] }, text("b", "good"))).toEqual([
    ...BEGUN,
    { type: "text-start", id: "a" },
    { type: "text-delta", id: "a", delta: "keep" },
    { type: "text-end", id: "a" },
    { type: "data-x", id: "d", data: 1 },
    { type: "text-start", id: "b" },
    { type: "text-delta", id: "b", delta: "bad" },
    { type: "reset-step" },
    { type: "text-start", id: "a" },
    { type: "text-delta", id: "a", delta: "keep" },
    { type: "text-end", id: "a" },
    { type: "data-x", id: "d", data: 1 },
    { type: "text-start", id: "b" },
    { type: "text-delta", id: "b", delta: "good" },
  ]);
});

test("parts that grow side by side are kept open until the end", () => {
  const sent = chunks(text("a", "1"), text("b", "1"), text("a", "2"), text("b", "2"), text("a", "3"), end("completed"));
  expect(sent.filter((chunk) => chunk.type === "reset-step")).toHaveLength(1);
  expect(sent.slice(-6)).toEqual([
    { type: "text-delta", id: "b", delta: "2" },
    { type: "text-delta", id: "a", delta: "3" },
    { type: "text-end", id: "a" },
    { type: "text-end", id: "b" },
    { type: "finish-step" },
    { type: "finish", finishReason: "stop" },
  ]);
});

test("questions and statuses are data, ends that are none are an abort or an error", () => {
  const ask = { askId: "q", prompt: "Go on?", schema: {}, expiresAt: null };
  expect(chunks({ kind: "status", status: "thinking" }, { kind: "ask", ...ask }, { kind: "answered", askId: "q", by: null, value: true }, end("stopped"))).toEqual([
    ...BEGUN,
    { type: "data-status", data: { status: "thinking" }, transient: true },
    { type: "data-ask", id: "q", data: { ...ask, open: true } },
    { type: "data-ask", id: "q", data: { ...ask, open: false } },
    { type: "finish-step" },
    { type: "abort" },
  ]);
  expect(chunks(end("failed", "The answer failed."))).toEqual([...BEGUN, { type: "error", errorText: "The answer failed." }]);
});

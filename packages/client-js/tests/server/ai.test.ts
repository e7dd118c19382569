// The AI SDK's own chat over a hub connection.
import { Chat } from "@ai-sdk/react";
import type { UIMessage } from "ai";
import { expect, test } from "vitest";
import { chatTransport } from "../../src/ai.js";
import { keepConnected, type RunInfo } from "../../src/index.js";
import { build, LINES, open, proxy, token } from "./support.js";

const [LINE] = LINES;
const numbers = (n: number) => Array.from({ length: n }, (_, index) => `${index} `).join("");
const room = () => `concurrent:${Math.random()}`;
const textOf = (message: UIMessage | undefined) =>
  (message?.parts ?? []).map((part) => (part.type === "text" ? part.text : "")).join("");

/** Resolves when the chat's last message has this text. */
async function has(chat: Chat<UIMessage>, text: string): Promise<void> {
  await expect.poll(() => textOf(chat.lastMessage), { timeout: 60_000, interval: 10 }).toContain(text);
}

test("an answer arrives over a cut, and a start that was cut is not made twice", async () => {
  const through = await proxy();
  const user = await token("alice"); // a key is its user's; a stranger's would end with the connection
  const connection = build(LINE, { base: through.base, user });
  const kept = keepConnected(connection);
  let starts = 0;
  const keys = new Set<string>();
  const transport = chatTransport(connection, {
    async start({ chatId, key }) {
      starts += 1;
      keys.add(key);
      const runId = await connection.invoke<string>("StartCount", 100, 5, key, chatId);
      if (starts > 1) return runId;
      through.cut(); // the run has begun, and the page does not know
      return connection.invoke<string>("StartCount", 100, 5, key, chatId);
    },
  });
  const id = room();
  const chat = new Chat({ id, transport });
  const answered = chat.sendMessage({ text: "Count." });
  await has(chat, "30 ");
  through.cut();
  await answered;
  expect(chat.status).toBe("ready");
  expect(textOf(chat.lastMessage)).toBe(numbers(100));
  expect(starts).toBe(2);
  expect(keys.size).toBe(1);
  expect(await (await open(LINE, { user })).invoke<RunInfo[]>("RoomRuns", id)).toHaveLength(1);
  await kept.stop();
});

test("a chat that was loaded again finds its answer, and stopping it only stops listening", async () => {
  const connection = await open(LINE);
  const start = ({ chatId, key }: { chatId: string; key: string }) => connection.invoke<string>("StartCount", 200, 5, key, chatId);
  const id = room();
  const first = new Chat({ id, transport: chatTransport(connection, { start }) });
  void first.sendMessage({ text: "Count." });
  await has(first, "20 ");
  await first.stop();
  const [run] = await connection.invoke<RunInfo[]>("RoomRuns", id);
  expect(run?.state).toBe("running");

  const [question] = first.messages;
  const transport = chatTransport(connection, { start });
  const again = new Chat({ id, transport, messages: question ? [question] : [] });
  await again.resumeStream();
  expect(again.messages).toHaveLength(2);
  expect(again.lastMessage).toMatchObject({ id: run?.id, role: "assistant" });
  expect(textOf(again.lastMessage)).toBe(numbers(200));
  await again.resumeStream();
  expect(again.messages).toHaveLength(2);
  expect(await transport.reconnectToStream({ chatId: id })).toBeNull();
});

test("stop(chatId) ends the answer on the server", async () => {
  const connection = await open(LINE);
  const transport = chatTransport(connection, {
    start: ({ chatId, key }) => connection.invoke<string>("StartCount", 10_000, 5, key, chatId),
  });
  const id = room();
  const chat = new Chat({ id, transport });
  const answered = chat.sendMessage({ text: "Count." });
  await has(chat, "5 ");
  await transport.stop(id);
  await answered;
  expect(textOf(chat.lastMessage)).toMatch(/^0 1 2 3 4 5 /);
  expect(await connection.invoke<RunInfo[]>("RoomRuns", id)).toMatchObject([{ state: "stopped" }]);
});

test.each([
  ["StartRetracting", [5], "clean"],
  ["StartFailingHub", [2, "The model is away."], "0 1 "],
])("%s", async (method, args, text) => {
  const connection = await open(LINE);
  const chat = new Chat({ id: room(), transport: chatTransport(connection, { start: () => connection.invoke<string>(method, ...args) }) });
  await chat.sendMessage({ text: "Go." });
  expect(textOf(chat.lastMessage)).toBe(text);
  expect(chat.error?.message).toBe(method === "StartFailingHub" ? "The model is away." : undefined);
});

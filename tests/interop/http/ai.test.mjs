// The AI SDK's own transport, schema and reducer against a real server. Nothing of it is replaced.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { AbstractChat, DefaultChatTransport, readUIMessageStream } from "ai";

const BASE = process.env.HUBLINE_HTTP_URL;
const numbers = (n) => Array.from({ length: n }, (_, i) => `${i} `).join("");
const textOf = (message) => message.parts.filter((part) => part.type === "text").map((part) => part.text).join("");
const question = (text) => ({ id: randomUUID(), role: "user", parts: [{ type: "text", text }] });

/** What `useChat` keeps its state in, without React. */
class State {
  status = "ready";
  error = undefined;
  constructor(messages) {
    this.messages = messages;
  }
  pushMessage = (message) => (this.messages = [...this.messages, message]);
  popMessage = () => (this.messages = this.messages.slice(0, -1));
  replaceMessage = (index, message) => (this.messages = this.messages.with(index, message));
  snapshot = (value) => structuredClone(value);
}

class Chat extends AbstractChat {
  constructor({ messages = [], ...options } = {}) {
    const data = [];
    super({
      id: randomUUID(),
      transport: new DefaultChatTransport({ api: `${BASE}/api/chat` }),
      state: new State(messages),
      onData: (part) => data.push(structuredClone(part)),
      ...options,
    });
    this.data = data;
  }
}

async function ask(text) {
  const chat = new Chat();
  await chat.sendMessage({ text });
  return chat;
}

// rule H2
test("an answer is a message with the run's parts", async () => {
  const chat = await ask("parts 3 1");
  assert.equal(chat.status, "ready");
  const [user, answer] = chat.messages;
  assert.equal(user.role, "user");
  const kinds = answer.parts.map((part) => part.type);
  assert.deepEqual(kinds, ["step-start", ...Array(3).fill(["reasoning", "text", "data-source"]).flat(), "data-progress"]);
  assert.equal(textOf(answer), "t0 t1 t2 ");
  assert.equal(answer.parts.at(-1).data, 2);
  assert.ok(answer.parts.every((part) => part.state === undefined || part.state === "done"));
  const info = await (await fetch(`${BASE}/runs/${answer.id}`)).json();
  assert.deepEqual([info.id, info.state], [answer.id, "completed"]);
});

// rule H2
test("calls of tools and sources are the client's own parts", async () => {
  const [, answer] = (await ask("tools")).messages;
  assert.deepEqual(answer.parts.map((part) => part.type), ["step-start", "text", "tool-weather", "source-url", "text"]);
  const call = answer.parts[2];
  assert.deepEqual([call.state, call.input, call.output], ["output-available", { city: "Oslo" }, { degrees: 3 }]);
});

// rule H2
test("what was taken back is gone, and what grows side by side stays apart", async () => {
  const [, clean] = (await ask("retracting 5")).messages;
  assert.equal(textOf(clean), "clean");
  const [, both] = (await ask("interleaved 20")).messages;
  assert.deepEqual(both.parts.slice(1).map((part) => part.text), ["0 2 4 6 8 10 12 14 16 18 ", "1 3 5 7 9 11 13 15 17 19 "]);
});

// rule H2, R6
test("a failure is the chat's error and what was written stays", async () => {
  const chat = await ask("failing 2");
  assert.equal(chat.status, "error");
  assert.equal(chat.error.message, "no model");
  assert.equal(textOf(chat.messages[1]), "0 1 ");
});

// rule H2, R25
test("a question is a value of the message and is answered over HTTP", async () => {
  const chat = new Chat();
  const sent = chat.sendMessage({ text: "asking 60000" });
  while (!chat.data.some((part) => part.type === "data-ask")) await new Promise((next) => setTimeout(next, 5));
  const ask = chat.data.find((part) => part.type === "data-ask").data;
  assert.deepEqual([ask.prompt, ask.schema, ask.state], ["Continue?", { type: "boolean" }, "open"]);
  const path = `${BASE}/runs/${chat.messages[1].id}/answers/${ask.askId}`;
  const answered = await fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body: '{"value":true}' });
  assert.equal(answered.status, 204);
  await sent;
  assert.equal(textOf(chat.messages[1]), "yes by nobody");
  assert.equal(chat.messages[1].parts.find((part) => part.type === "data-ask").data.state, "answered");
});

// rule H2, R1, R5
test("a page that is reloaded in the middle goes on with the same message", async () => {
  const first = new Chat();
  const sent = first.sendMessage({ text: "count 60 10" });
  while (textOf(first.messages[1] ?? { parts: [] }).length < 20) await new Promise((next) => setTimeout(next, 5));
  await first.stop();
  await sent;
  const half = structuredClone(first.messages);
  assert.ok(textOf(half[1]).length < numbers(60).length);
  // with half of the answer in its storage, and with nothing of it
  await Promise.all([half, half.slice(0, 1)].map(async (messages) => {
    const again = new Chat({ id: first.id, messages: structuredClone(messages) });
    await again.resumeStream();
    assert.equal(again.messages.length, 2);
    assert.equal(again.messages[1].id, half[1].id);
    assert.equal(textOf(again.messages[1]), numbers(60));
  }));
});

// rule H2, R9
test("a message that is sent twice is answered once", async () => {
  const transport = new DefaultChatTransport({ api: `${BASE}/api/chat` });
  const prompt = "count 20 5";
  const message = question(prompt);
  const options = { chatId: randomUUID(), messages: [message], trigger: "submit-message", messageId: undefined };
  const before = await (await fetch(`${BASE}/executed?prompt=${encodeURIComponent(prompt)}`)).json();
  const streams = await Promise.all([transport.sendMessages(options), transport.sendMessages(options)]);
  const messages = await Promise.all(streams.map(async (stream) => {
    let last;
    for await (const message of readUIMessageStream({ stream })) last = message;
    return last;
  }));
  assert.deepEqual(messages.map(textOf), [numbers(20), numbers(20)]);
  assert.equal(messages[0].id, messages[1].id);
  assert.equal(await (await fetch(`${BASE}/executed?prompt=${encodeURIComponent(prompt)}`)).json(), before + 1);
});

// rule H2
test("nothing that runs is nothing to go on with", async () => {
  const transport = new DefaultChatTransport({ api: `${BASE}/api/chat` });
  assert.equal(await transport.reconnectToStream({ chatId: randomUUID() }), null);
  const chat = await ask("count 2 1");
  assert.equal(await transport.reconnectToStream({ chatId: chat.id }), null);
  assert.equal(await transport.reconnectToStream({ chatId: "a/b?c#d e" }), null);
});

// rule H2, R13
test("stopping is a decision: it ends the answer for every reader", async () => {
  const chat = new Chat();
  const sent = chat.sendMessage({ text: "count 10000 5" });
  while (!chat.messages[1]?.parts.length) await new Promise((next) => setTimeout(next, 5));
  const info = await (await fetch(`${BASE}/runs/${chat.messages[1].id}/stop`, { method: "POST" })).json();
  assert.equal(info.state, "stopped");
  await sent;
  assert.equal(chat.status, "ready");
});

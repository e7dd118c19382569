// AG-UI's own client against a real server: its parser, schemas, verifier and reducer.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { HttpAgent } from "@ag-ui/client";
import { EventSchema } from "@ag-ui/core/schemas";

const BASE = process.env.HUBLINE_HTTP_URL;
const numbers = (n) => Array.from({ length: n }, (_, i) => `${i} `).join("");

function agentWith(prompt, options = {}) {
  return new HttpAgent({
    url: `${BASE}/agent`,
    threadId: randomUUID(),
    initialMessages: [{ id: randomUUID(), role: "user", content: prompt }],
    ...options,
  });
}

/** An agent that reads a run which goes on anyway, from a position if there is one. */
function reader(runId, after, messages = []) {
  const url = `${BASE}/runs/${runId}/events?as=ag-ui${after ? `&after=${after}` : ""}`;
  return new HttpAgent({ url, initialMessages: messages, fetch: (address, { signal }) => fetch(address, { signal }) });
}

async function run(agent, parameters) {
  const events = [];
  const result = await agent.runAgent(parameters, { onEvent: ({ event }) => void events.push(event) });
  return { ...result, events };
}

const content = (agent, role = "assistant") => agent.messages.filter((each) => each.role === role).map((each) => each.content);

// rule H3
test("texts and reasoning are messages, values are custom events", async () => {
  const agent = agentWith("parts 3 1");
  const { events } = await run(agent, { runId: "mine" });
  assert.deepEqual(content(agent).join(""), "t0 t1 t2 ");
  assert.deepEqual(content(agent, "reasoning"), ["r0 ", "r1 ", "r2 "]);
  const custom = events.filter((event) => event.type === "CUSTOM");
  assert.deepEqual(custom.map((event) => event.name), ["source", "source", "source", "progress", "progress"]);
  assert.deepEqual([events[0].runId, events[0].threadId], ["mine", agent.threadId]);
  assert.equal(events.at(-1).outcome.type, "success");
});

// rule H3
test("calls of tools are calls of tools, and usage is told", async () => {
  const agent = agentWith("tools");
  const { events } = await run(agent);
  const call = agent.messages.find((each) => each.toolCalls?.length);
  assert.deepEqual(call.toolCalls[0].function, { name: "weather", arguments: '{"city":"Oslo"}' });
  const result = agent.messages[agent.messages.indexOf(call) + 1];
  assert.deepEqual([result.role, result.toolCallId, result.content], ["tool", call.toolCalls[0].id, '{"degrees":3}']);
  assert.deepEqual(events.at(-1).usage, [{ provider: "p", model: "m", inputTokens: 3, outputTokens: 4, totalTokens: 7 }]);
});

// rule H3
test("what was taken back is gone, and the conversation stays", async () => {
  const agent = agentWith("retracting 5");
  await run(agent);
  assert.deepEqual(agent.messages.map((each) => each.content), ["retracting 5", "clean"]);
});

// rule H3
test("texts that grow side by side stay apart", async () => {
  const agent = agentWith("interleaved 20");
  await run(agent);
  assert.deepEqual(content(agent), ["0 2 4 6 8 10 12 14 16 18 ", "1 3 5 7 9 11 13 15 17 19 "]);
});

// rule H3, R6
test("a failure is the run's error and what was written stays", async () => {
  const agent = agentWith("failing 2");
  let error;
  await agent.runAgent({}, { onRunErrorEvent: ({ event }) => void (error = event) });
  assert.deepEqual([error.message, error.code], ["no model", "failed"]);
  assert.deepEqual(content(agent), ["0 1 "]);
});

// rule H3, R25
test("an open question is an interrupt, and its answer goes on with the run", async () => {
  const agent = agentWith("asking 60000");
  const { events } = await run(agent);
  assert.equal(events.at(-1).outcome.type, "interrupt");
  const [interrupt] = agent.pendingInterrupts;
  assert.deepEqual([interrupt.message, interrupt.responseSchema], ["Continue?", { type: "boolean" }]);
  await run(agent, { resume: [{ interruptId: interrupt.id, status: "resolved", payload: true }] });
  assert.deepEqual(content(agent), ["yes by nobody"]);
  assert.deepEqual(agent.pendingInterrupts, []);
});

// rule H3, R1, R5
test("who leaves in the middle goes on from the position of the last event", async () => {
  const runId = await (await fetch(`${BASE}/begin?prompt=${encodeURIComponent("count 60 10")}`, { method: "POST" })).json();
  const first = reader(runId);
  let position;
  await first.runAgent({}, {
    onEvent: ({ event }) => {
      position = event.metadata?.position ?? position;
      if (event.delta === "10 ") first.abortRun();
    },
  }).catch(() => {});
  assert.ok(content(first).join("").length < numbers(60).length);
  const second = reader(runId, position, structuredClone(first.messages));
  const { events } = await run(second);
  assert.equal(content(second).join(""), numbers(60));
  assert.equal(second.messages.length, 1);
  assert.equal(events[0].type, "RUN_STARTED");
});

// rule H3
test("every event is one of the protocol's own schemas", async () => {
  for (const prompt of ["parts 2 1", "tools", "retracting 3", "failing 1", "interleaved 4"]) {
    const runId = await (await fetch(`${BASE}/begin?prompt=${encodeURIComponent(prompt)}`, { method: "POST" })).json();
    const text = await (await fetch(`${BASE}/runs/${runId}/events?as=ag-ui`)).text();
    const events = text.split("\n\n").filter((each) => each.startsWith("data: ")).map((each) => JSON.parse(each.slice(6)));
    assert.ok(events.length > 2);
    events.forEach((event) => EventSchema.parse(event));
  }
});

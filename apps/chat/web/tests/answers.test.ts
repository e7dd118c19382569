import type { Connection } from "@hubline/client";
import { beforeEach, describe, expect, it } from "vitest";
import { Answers, type LiveAnswer } from "../src/answers/answers";
import { answer, FakeHub } from "./fake-port";

let hub: FakeHub;
let frames: (() => void)[];
let gone: string[];
let answers: Answers;
let connected: boolean;

beforeEach(async () => {
  hub = new FakeHub();
  const port = hub.open({ called() {}, closed() {}, signedOut() {} }, "auto");
  await port.start();
  connected = true;
  const connection: Connection = {
    get state() {
      return connected ? "Connected" : "Reconnecting";
    },
    start: async () => {},
    stop: async () => {},
    stream: port.stream,
    invoke: async () => undefined as never,
    onclose() {},
    onreconnecting() {},
    onreconnected() {},
  };
  frames = [];
  gone = [];
  answers = new Answers(connection, (message) => gone.push(message.id), (work) => frames.push(work));
});

/** What comes in one moment has come, and the frame is drawn. */
async function frame(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve));
  for (const work of frames.splice(0)) work();
}

const shown = (id = "m2"): LiveAnswer => answers.watch(id).value!;
const text = (said: string, kind = "text") => ({ kind, part: kind, text: said });

describe("Answers", () => {
  it("attaches to what is running, and shows many pieces in one step per frame", async () => {
    const seen: (string | undefined)[] = [];
    answers.take(answer(2, "running"));
    expect(hub.streams.map(({ args }) => args)).toEqual([["run2", null]]);
    expect(shown()).toMatchObject({ phase: "thinking", text: "" });
    answers.watch("m2").subscribe(() => seen.push(shown().text));
    hub.write("run2", ...Array.from({ length: 10 }, () => text("x")));
    await frame();
    expect(seen).toEqual(["xxxxxxxxxx"]);
    expect(shown().phase).toBe("answering");
  });

  it("wakes only the row whose text grew", async () => {
    let other = 0;
    answers.take(answer(2, "running"));
    answers.take(answer(4, "running"));
    await frame();
    answers.watch("m4").subscribe(() => other++);
    hub.write("run2", text("hi"));
    await frame();
    expect([shown().text, other]).toEqual(["hi", 0]);
  });

  it("shows the text that was stored until the run has told it, and never less", async () => {
    answers.take(answer(2, "running", "Once "));
    expect(shown()).toMatchObject({ phase: "answering", text: "Once " });
    hub.write("run2", { kind: "status", status: "thinking" });
    await frame();
    expect(shown().text).toBe("Once ");
    hub.write("run2", text("Once upon"));
    await frame();
    expect(shown().text).toBe("Once upon");
  });

  it("shows the place in the queue as it changes, and what else is waited for", async () => {
    answers.take(answer(2, "running"));
    hub.write("run2", { kind: "status", status: "queued", place: 2 });
    await frame();
    expect(shown()).toMatchObject({ phase: "queued", place: 2 });
    hub.write("run2", { kind: "status", status: "queued", place: 1 });
    await frame();
    expect(shown()).toMatchObject({ phase: "queued", place: 1 });
    hub.write("run2", { kind: "status", status: "busy" });
    await frame();
    expect(shown()).toMatchObject({ phase: "thinking", status: "busy" });
  });

  it("keeps thoughts apart, and shows who is asked what", async () => {
    answers.take(answer(2, "running"));
    const ask = { askId: "a", prompt: "Delete?", schema: { type: "boolean" }, expiresAt: null };
    const deciders = [{ id: "ada", name: "Ada" }];
    hub.write("run2", text("hm", "reasoning"), text("So:"), { kind: "data", part: "3", name: "deciders", value: deciders }, { kind: "ask", ...ask });
    await frame();
    expect(shown()).toMatchObject({ phase: "waiting", reasoning: "hm", text: "So:", asks: [ask], deciders });
    hub.write("run2", { kind: "answered", askId: "a", by: "ada", value: true });
    await frame();
    expect(shown()).toMatchObject({ phase: "answering", asks: [] });
  });

  it("shows the end as viewers are told it, and then the message as it was stored", async () => {
    answers.take(answer(2, "running"));
    hub.write("run2", text("ab"), { kind: "end", state: "failed", error: "The model broke off.", usage: [], unread: [] });
    await frame();
    expect(shown()).toMatchObject({ phase: "failed", text: "ab", answer: { error: "The model broke off." } });
    answers.take(answer(2, "failed", "ab, stored"));
    expect(shown()).toMatchObject({ phase: "failed", text: "ab, stored" });
  });

  it("attaches to another run when an answer goes on, and shows nothing of the former", async () => {
    answers.take(answer(2, "running"));
    answers.take(answer(2, "interrupted", "Once "));
    expect(hub.streams).toEqual([]);
    const on = answer(2, "running", "Once ");
    answers.take({ ...on, answer: { ...on.answer!, runId: "another" } });
    expect(shown()).toMatchObject({ phase: "answering", text: "Once " });
    hub.write("run2", text("never"));
    hub.write("another", text("Once upon"));
    await frame();
    expect(shown().text).toBe("Once upon");
  });

  it("asks for the message when its run is no more, and keeps the text", async () => {
    answers.take(answer(2, "running", "Once "));
    hub.streams[0]!.subscriber.error(new Error("An error occurred. HubError: The run does not exist."));
    await frame();
    expect(gone).toEqual(["m2"]);
    expect(shown()).toMatchObject({ phase: "answering", text: "Once " });
  });

  it("lets go of what is forgotten", () => {
    answers.take(answer(2, "running"));
    answers.forget(["m2"]);
    expect(hub.streams).toEqual([]);
    expect(answers.watch("m2").value).toBeNull();
  });
});

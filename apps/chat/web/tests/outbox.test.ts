import { beforeEach, describe, expect, it } from "vitest";
import { ConnectionLost, Refused } from "../src/connection/errors";
import { excess, nearLimit, Outbox, type Unsent } from "../src/messages/outbox";
import { memoryBox, type Box } from "../src/ui/storage";
import { message } from "./fake-port";

let box: Box;
let ready: boolean;
let sent: string[];
let send: (entry: Unsent) => Promise<void>;

function outbox(): Outbox {
  return new Outbox(box, {
    ready: () => ready,
    send: async (entry) => {
      await send(entry);
      sent.push(entry.text);
      return message(sent.length, { clientMessageId: entry.clientMessageId });
    },
    asks: ({ ask, text }) => ask || text.toLowerCase().startsWith("@ai"),
    sent: () => undefined,
  });
}

beforeEach(() => {
  box = memoryBox();
  ready = true;
  sent = [];
  send = async () => undefined;
});

describe("Outbox", () => {
  it("holds messages while there is no connection and sends them in order, once", async () => {
    ready = false;
    const box1 = outbox();
    for (const text of ["one", "two", "three"]) box1.add("r", text, text, false);
    expect(sent).toEqual([]);
    expect(box1.entries.value.map((entry) => entry.state)).toEqual(["waiting", "waiting", "waiting"]);
    ready = true;
    await Promise.all([box1.flush(), box1.flush()]);
    expect(sent).toEqual(["one", "two", "three"]);
    expect(box1.entries.value).toEqual([]);
    expect(box.keys("outbox.")).toEqual([]);
  });

  it("keeps a message whose sending was cut, and sends it before the later ones", async () => {
    ready = false;
    const box1 = outbox();
    box1.add("r", "a", "first", false);
    box1.add("r", "b", "second", false);
    ready = true;
    send = async () => {
      ready = false;
      throw new ConnectionLost();
    };
    await box1.flush();
    expect(box1.entries.value.map((entry) => [entry.text, entry.state])).toEqual([["first", "waiting"], ["second", "waiting"]]);
    ready = true;
    send = async () => undefined;
    await box1.flush();
    expect(sent).toEqual(["first", "second"]);
  });

  it("does not send again what the server turned out to have", async () => {
    ready = false;
    const box1 = outbox();
    box1.add("r", "a", "first", false);
    box1.delivered("a");
    ready = true;
    await box1.flush();
    expect(sent).toEqual([]);
  });

  it("survives a reload", async () => {
    ready = false;
    outbox().add("r", "a", "before the reload", true);
    ready = true;
    const after = outbox();
    expect(after.entries.value).toMatchObject([{ text: "before the reload", ask: true, state: "waiting" }]);
    await after.flush();
    expect(sent).toEqual(["before the reload"]);
  });

  it("marks a refused message with the reason, goes on with the others, and tries again when told", async () => {
    send = async (entry) => {
      if (entry.text === "bad") throw new Refused("Not here.");
    };
    const box1 = outbox();
    box1.add("r", "a", "bad", false);
    box1.add("r", "b", "good", false);
    await box1.flush();
    await new Promise((resolve) => setTimeout(resolve));
    expect(sent).toEqual(["good"]);
    expect(box1.entries.value).toMatchObject([{ text: "bad", state: "failed", error: "Not here." }]);
    send = async () => undefined;
    box1.retry("a");
    await new Promise((resolve) => setTimeout(resolve));
    expect(sent).toEqual(["good", "bad"]);
  });

  it("gives a waiting message back", () => {
    ready = false;
    const box1 = outbox();
    box1.add("r", "a", "oops", false);
    expect(box1.takeBack("a")?.text).toBe("oops");
    expect(box1.entries.value).toEqual([]);
  });

  it("expects an answer to a question at once, also to @ai", async () => {
    const box1 = outbox();
    box1.add("r", "a", "hello", false);
    box1.add("r", "b", "@AI hello", false);
    box1.add("r", "c", "hello", true);
    await new Promise((resolve) => setTimeout(resolve));
    expect(box1.expected.value.map((each) => each.clientMessageId)).toEqual(["b", "c"]);
  });

  it("ignores what it cannot read in the storage", () => {
    box.write("outbox.x", "{broken");
    box.write("outbox.y", '{"text": 1}');
    expect(outbox().entries.value).toEqual([]);
  });
});

describe("nearLimit", () => {
  it("counts characters as the server does, when few are left", () => {
    expect(nearLimit("a".repeat(20_000))).toBeNull();
    expect(nearLimit("😀".repeat(15_000))).toBeNull();
    expect(nearLimit("😀".repeat(30_000))).toBe(30_000);
  });
});

describe("excess", () => {
  it("counts what is over the server's limit, in code points and without the space around", () => {
    expect(excess("a".repeat(32_000))).toBe(0);
    expect(excess("a".repeat(38_000))).toBe(6_000);
    expect(excess("😀".repeat(32_000))).toBe(0);
    expect(excess("😀".repeat(32_001))).toBe(1);
    expect(excess(`  ${"a".repeat(32_000)}\n\n`)).toBe(0);
  });
});

import type { Assistant } from "../src/connection/contract";
import { describe, expect, it } from "vitest";
import { candidatesFor, mentionAt } from "../src/messages/completion";
import { Drafts } from "../src/messages/drafts";
import { browserBox, memoryBox, partOf } from "../src/ui/storage";
import { ADA, AI } from "./fake-port";

describe("Drafts", () => {
  it("keeps one draft for each room, over a reload", () => {
    const box = memoryBox();
    new Drafts(box).write("a", { text: "to a", ask: true });
    new Drafts(box).write("b", { text: "to b", ask: false });
    expect(new Drafts(box).read("a")).toEqual({ text: "to a", ask: true });
    expect(new Drafts(box).read("b").text).toBe("to b");
    expect(new Drafts(box).read("c")).toEqual({ text: "", ask: false });
  });

  it("leaves nothing behind when the text is gone", () => {
    const box = memoryBox();
    new Drafts(box).write("a", { text: "x", ask: false });
    new Drafts(box).write("a", { text: "", ask: false });
    expect(box.keys("draft.")).toEqual([]);
  });

  it("survives storage that is forbidden or damaged", () => {
    const forbidden = browserBox(() => {
      throw new Error("SecurityError");
    });
    new Drafts(forbidden).write("a", { text: "x", ask: false });
    expect(new Drafts(forbidden).read("a").text).toBe("");
    const damaged = memoryBox();
    damaged.write("draft.a", "{");
    expect(new Drafts(damaged).read("a").text).toBe("");
  });
});

describe("partOf", () => {
  it("keeps what belongs to one person from another", () => {
    const all = memoryBox();
    const [ada, grace] = [partOf(all, "of.ada."), partOf(all, "of.grace.")];
    new Drafts(ada).write("r", { text: "Ada's", ask: false });
    expect(new Drafts(grace).read("r").text).toBe("");
    expect(grace.keys("")).toEqual([]);
    expect(ada.keys("draft.")).toEqual(["draft.r"]);
    expect(new Drafts(partOf(all, "of.ada.")).read("r").text).toBe("Ada's");
  });
});

describe("completion of @", () => {
  it("begins at a word and ends at the caret", () => {
    expect(mentionAt("hi @ad", 6)).toEqual({ from: 3, query: "ad" });
    expect(mentionAt("@", 1)).toEqual({ from: 0, query: "" });
    expect(mentionAt("a@b", 3)).toBeNull();
    expect(mentionAt("hi @ada ok", 10)).toBeNull();
  });

  it("knows the assistant by its name and as ai, and people by each of their names", () => {
    const assistant = { name: "Helper", model: "", state: "ready", detail: null, models: [] as Assistant["models"], currency: "USD" } as const;
    const people = [ADA, AI, { ...ADA, id: "g", name: "Grace Hopper" }];
    expect(candidatesFor("", people, assistant).map((each) => each.insert)).toEqual(["@ai ", "@Ada ", "@Grace Hopper "]);
    expect(candidatesFor("ho", people, assistant).map((each) => each.name)).toEqual(["Grace Hopper"]);
    expect(candidatesFor("AI", people, assistant).map((each) => each.name)).toEqual(["Helper"]);
  });
});

import { describe, expect, it } from "vitest";
import { candidatesFor, mentionAt } from "../src/messages/completion";
import { Drafts } from "../src/messages/drafts";
import { ReadMarks, unread } from "../src/rooms/read-marks";
import { browserBox, memoryBox, partOf } from "../src/ui/storage";
import { ADA, AI, room } from "./fake-port";

describe("Drafts", () => {
  it("keeps one draft for each room, over a reload", () => {
    const box = memoryBox();
    new Drafts(box).write("a", { text: "to a", ask: true, model: "premium" });
    new Drafts(box).write("b", { text: "to b", ask: false, model: "standard" });
    expect(new Drafts(box).read("a")).toEqual({ text: "to a", ask: true, model: "premium" });
    expect(new Drafts(box).read("b").text).toBe("to b");
    expect(new Drafts(box).read("c")).toEqual({ text: "", ask: false, model: "standard" });
  });

  it("leaves nothing behind when the text is gone", () => {
    const box = memoryBox();
    new Drafts(box).write("a", { text: "x", ask: false, model: "standard" });
    new Drafts(box).write("a", { text: "", ask: false, model: "standard" });
    expect(box.keys("draft.")).toEqual([]);
  });

  it("survives storage that is forbidden or damaged", () => {
    const forbidden = browserBox(() => {
      throw new Error("SecurityError");
    });
    new Drafts(forbidden).write("a", { text: "x", ask: false, model: "standard" });
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
    new Drafts(ada).write("r", { text: "Ada's", ask: false, model: "standard" });
    expect(new Drafts(grace).read("r").text).toBe("");
    expect(grace.keys("")).toEqual([]);
    expect(ada.keys("draft.")).toEqual(["draft.r"]);
    expect(new Drafts(partOf(all, "of.ada.")).read("r").text).toBe("Ada's");
  });
});

describe("unread", () => {
  it("counts from the mark, and anew after the server has forgotten", () => {
    const marks = new ReadMarks(memoryBox());
    marks.mark("r", 5);
    expect(unread(room("r", 8), marks.marks.value)).toBe(3);
    marks.begin([room("r", 2), room("first seen", 9)]);
    expect(unread(room("r", 2), marks.marks.value)).toBe(2);
    expect(unread(room("first seen", 9), marks.marks.value)).toBe(0);
    expect(unread(room("first seen", 10), marks.marks.value)).toBe(1);
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
    const assistant = { name: "Helper", model: "", state: "ready", detail: null, premiumModel: null } as const;
    const people = [ADA, AI, { ...ADA, id: "g", name: "Grace Hopper" }];
    expect(candidatesFor("", people, assistant).map((each) => each.insert)).toEqual(["@ai ", "@Ada ", "@Grace Hopper "]);
    expect(candidatesFor("ho", people, assistant).map((each) => each.name)).toEqual(["Grace Hopper"]);
    expect(candidatesFor("AI", people, assistant).map((each) => each.name)).toEqual(["Helper"]);
  });
});

import { describe, expect, it } from "vitest";
import { isListed, seenBy } from "../src/rooms/pairs";
import { mayRule } from "../src/rooms/RoomSettings";
import { ME, room } from "./fake-port";

const people = ["ada", "bob"].map((id) => ({ id, name: id, isOwner: false }));
const pair = { ...room("p"), name: "bob", isPair: true, isPrivate: true, members: people };

describe("a conversation of two people", () => {
  it("has the name of the other one, also when they are gone", () => {
    expect(seenBy("ada", pair).name).toBe("bob");
    expect(seenBy("bob", pair).name).toBe("ada");
    expect(seenBy("ada", { ...pair, members: people.slice(0, 1) }).name).toBe("bob");
    expect(seenBy("ada", room("r"))).toEqual(room("r"));
  });

  it("is listed when something was said in it, or it is open", () => {
    expect([isListed(pair, null), isListed(pair, "p"), isListed({ ...pair, lastSeq: 1 }, null)]).toEqual([false, true, true]);
    expect([isListed(room("r", 1), "r"), isListed({ ...room("c"), isConversation: true }, null)]).toEqual([false, true]);
  });

  it("is nobody's to change, administrators included", () => {
    expect(mayRule(pair, { ...ME, role: "admin" })).toBe(false);
    expect(mayRule({ ...pair, owners: ["ada"] }, ME)).toBe(true);
  });
});

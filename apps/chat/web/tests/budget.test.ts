import { describe, expect, it } from "vitest";
import { obstacle, resetTime, standing } from "../src/budget/budget";
import { modelFor } from "../src/budget/ModelChoice";
import { clockTime } from "../src/messages/dates";
import { BUDGET, ME } from "./fake-port";

const noon = new Date(2026, 0, 1, 12).getTime();
const at = (hour: number, day = 1) => new Date(2026, 0, day, hour).toISOString();
const budget = { ...BUDGET, resetsAt: at(18) };

describe("standing", () => {
  it("says what is left, of how much, and until when", () => {
    expect(standing(budget, noon)).toEqual({ level: "plenty", share: 0.62, text: `12,400 of 20,000 tokens left today, resets at ${clockTime(at(18))}` });
  });

  it("is low at a tenth, and used up at nothing or less", () => {
    expect(standing({ ...budget, left: 2_001 }, noon).level).toBe("plenty");
    expect(standing({ ...budget, left: 2_000 }, noon).level).toBe("low");
    expect(standing({ ...budget, left: 1 }, noon).level).toBe("low");
    expect(standing({ ...budget, left: 0 }, noon)).toMatchObject({ level: "used-up", share: 0 });
    expect(standing({ ...budget, left: -40 }, noon).text).toBe(`Today's 20,000 tokens are used up, resets at ${clockTime(at(18))}`);
  });

  it("knows of no limit, and of none at all", () => {
    expect(standing({ ...budget, tokensPerDay: null, left: null }, noon)).toEqual({ level: "unlimited", share: 1, text: "No daily limit" });
    expect(standing({ ...budget, tokensPerDay: 0, left: 0 }, noon).level).toBe("none");
  });

  it("is full again from the time of reset on, without a word from the server", () => {
    const used = { ...budget, left: 0 };
    expect(standing(used, new Date(2026, 0, 1, 17, 59).getTime()).level).toBe("used-up");
    expect(standing(used, new Date(2026, 0, 1, 18).getTime())).toEqual({ level: "plenty", share: 1, text: "20,000 of 20,000 tokens left today" });
  });
});

describe("obstacle", () => {
  it("tells before a question is sent that it would be refused, and when not", () => {
    expect(obstacle(budget, noon)).toBeNull();
    expect(obstacle(null, noon)).toBeNull();
    expect(obstacle({ ...budget, tokensPerDay: null, left: null }, noon)).toBeNull();
    expect(obstacle({ ...budget, left: 0 }, noon)).toContain(`again at ${clockTime(at(18))};`);
    expect(obstacle({ ...budget, left: 0 }, new Date(2026, 0, 1, 18).getTime())).toBeNull();
    expect(obstacle({ ...budget, tokensPerDay: 0, left: 0 }, noon)).toContain("cannot ask");
  });
});

describe("resetTime", () => {
  it("says tomorrow when it is", () => {
    expect(resetTime(at(18), noon)).toBe(`at ${clockTime(at(18))}`);
    expect(resetTime(at(2, 2), noon)).toBe(`tomorrow at ${clockTime(at(2, 2))}`);
  });
});

describe("modelFor", () => {
  it("is the premium one for premium users only, whatever a draft says", () => {
    expect(modelFor("premium", { ...ME, tier: "premium" })).toBe("premium");
    expect(modelFor("premium", { ...ME, tier: "free" })).toBe("standard");
    expect(modelFor("premium", { ...ME, role: "admin", tier: "free" })).toBe("standard");
  });
});

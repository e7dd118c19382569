import { sentence } from "../src/connection/errors";
import { describe, expect, it } from "vitest";
import { obstacle, resetTime, standing } from "../src/budget/budget";
import { chosenIn, described, mayUse, mineIn, money, refusalOf, spentOn, unusual } from "../src/budget/models";
import { clockTime, inOwnZone } from "../src/messages/dates";
import type { Answer, Assistant, Me, Model } from "../src/connection/contract";
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

  it("tells the time in the reader's own zone only, also in sentences of the server", () => {
    const night = clockTime("2026-01-01T00:00:00Z");
    expect(sentence(new Error("HubError: Your 60 tokens of today are used up. There will be more at 00:00 UTC."))).toBe(
      `Your 60 tokens of today are used up. There will be more at ${inOwnZone("at 00:00 UTC").slice(3)}.`,
    );
    expect(inOwnZone("more at 00:00 UTC.", Date.parse("2026-01-01T12:00:00Z"))).toBe(`more at ${night}.`);
    expect(inOwnZone("at 25:00 UTC, at 00:00")).toBe("at 25:00 UTC, at 00:00");
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

describe("the models of a room", () => {
  const small: Model = { id: "small", name: "Small", tier: "guest" };
  const large: Model = { id: "large", name: "Large", tier: "premium", note: "gpt-5", contextTokens: 128_000, inputPrice: 0.25, outputPrice: 2, takesImages: true };
  const secret: Model = { id: "secret", name: "Secret", tier: "admin", contextTokens: 4_096 };
  const assistant: Assistant = { name: "Assistant", model: "small", state: "ready", detail: null, models: [small, large, secret], currency: "EUR" };

  it("are for those of their tier and above, and all of them for administrators", () => {
    const usable = (me: Me) => assistant.models.filter((each) => mayUse(each, me)).map((each) => each.id);
    expect(usable({ ...ME, role: "guest", tier: "guest" })).toEqual(["small"]);
    expect(usable({ ...ME, tier: "premium" })).toEqual(["small", "large"]);
    expect(usable({ ...ME, role: "admin", tier: "free" })).toEqual(["small", "large", "secret"]);
    expect(refusalOf(large)).toBe("Large is for premium accounts. An administrator can make yours one.");
  });

  it("answer those who may use the chosen one, and others by the first that they may", () => {
    expect(chosenIn({ model: "large" }, assistant)).toBe(large);
    expect(chosenIn({ model: "gone" }, assistant)).toBe(small);
    expect(mineIn({ model: "large" }, assistant, { ...ME, tier: "premium" })).toBe(large);
    expect(mineIn({ model: "large" }, assistant, { ...ME, tier: "free" })).toBe(small);
    expect(mineIn(undefined, { ...assistant, models: [secret] }, ME)).toBeUndefined();
  });

  it("are named at answers that are not of the usual one", () => {
    expect([unusual("small", assistant), unusual("large", assistant), unusual("gone", assistant)]).toEqual([null, "Large", null]);
  });

  it("cost money or tokens, with the share of what they were told; a failed answer costs nothing", () => {
    const answer: Answer = { state: "completed", askedBy: ME, questionId: "q", runId: null, startedAt: null, endedAt: null, error: null, elapsed: 1, model: "small", reasoning: "" };
    expect(spentOn({ ...answer, tokens: 1_234, told: 1_200 }, "EUR")).toEqual({ text: "1,234 tokens", detail: "1,234 tokens: 1,200 for what the assistant was told, 34 for the answer" });
    expect(spentOn({ ...answer, tokens: 1, cost: 0.5 }, "EUR")).toEqual({ text: "€0.50", detail: "1 token" });
    expect([spentOn(answer, "EUR"), spentOn({ ...answer, state: "failed", tokens: 0 }, "EUR")]).toEqual([null, null]);
  });

  it("are described with what is known of them", () => {
    expect(described(small, "EUR")).toBe("");
    expect(described(large, "EUR")).toBe("gpt-5 · 128k tokens of context · takes images · €0.25 in, €2.00 out per million tokens");
    expect(described(secret, "EUR")).toBe("4,096 tokens of context");
    expect([0, 0.00012, 0.0456, 1.239].map((each) => money(each, "USD"))).toEqual(["$0.00", "$0.00012", "$0.046", "$1.24"]);
  });
});

import type { Budget } from "../connection/contract";
import { clockTime, sameDay } from "../messages/dates";

/** How a budget stands now. `share` is what is left of it, from 0 to 1. */
export interface Standing {
  level: "unlimited" | "none" | "plenty" | "low" | "used-up";
  share: number;
  /** All of it in one line. */
  text: string;
}

const LOW = 0.1;

/** A budget whose time of reset has passed is full again, also before the server says so. */
export function standing(budget: Budget, now: number): Standing {
  const { tokensPerDay: all } = budget;
  if (all === null || budget.left === null) return { level: "unlimited", share: 1, text: "No daily limit" };
  if (all === 0) return { level: "none", share: 0, text: "Your account has no tokens for the assistant" };
  const isOver = Date.parse(budget.resetsAt) <= now;
  const left = isOver ? all : Math.min(all, Math.max(0, budget.left));
  const when = isOver ? "" : `, resets ${resetTime(budget.resetsAt, now)}`;
  if (left === 0) return { level: "used-up", share: 0, text: `Today's ${count(all)} tokens are used up${when}` };
  const level = left / all <= LOW ? "low" : "plenty";
  return { level, share: left / all, text: `${count(left)} of ${count(all)} tokens left today${when}` };
}

/** Why a question would be refused now, in a sentence; null when it would not. */
export function obstacle(budget: Budget | null, now: number): string | null {
  if (!budget) return null;
  const { level } = standing(budget, now);
  if (level === "none") return "Your account cannot ask the assistant. An administrator can change that.";
  if (level !== "used-up") return null;
  return `Your tokens for today are used up. The assistant answers you again ${resetTime(budget.resetsAt, now)}; what you write here stays.`;
}

/** "at 02:00", or "tomorrow at 02:00" when that is not today where the reader is. */
export function resetTime(iso: string, now: number): string {
  const today = sameDay(iso, new Date(now).toISOString());
  return `${today ? "" : "tomorrow "}at ${clockTime(iso)}`;
}

function count(number: number): string {
  return number.toLocaleString("en");
}

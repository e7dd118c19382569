import type { Budget } from "../connection/contract";
import { t } from "../language/language";
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
  if (all === null || budget.left === null) return { level: "unlimited", share: 1, text: t("No daily limit") };
  if (all === 0) return { level: "none", share: 0, text: t("Your account has no tokens for the assistant") };
  const isOver = Date.parse(budget.resetsAt) <= now;
  const left = isOver ? all : Math.min(all, Math.max(0, budget.left));
  const when = resetTime(budget.resetsAt, now);
  if (left === 0) return { level: "used-up", share: 0, text: isOver ? t("Today's {all} tokens are used up", { all }) : t("Today's {all} tokens are used up, resets {when}", { all, when }) };
  const level = left / all <= LOW ? "low" : "plenty";
  return { level, share: left / all, text: isOver ? t("{left} of {all} tokens left today", { left, all }) : t("{left} of {all} tokens left today, resets {when}", { left, all, when }) };
}

/** Why a question would be refused now, in a sentence; null when it would not. `posted`: it appears without an answer. */
export function obstacle(budget: Budget | null, now: number, posted = false): string | null {
  if (!budget) return null;
  const { level } = standing(budget, now);
  if (level === "none") return posted ? t("Your account cannot ask the assistant: your message is posted without an answer.") : t("Your account cannot ask the assistant. An administrator can change that.");
  if (level !== "used-up") return null;
  const when = resetTime(budget.resetsAt, now);
  return posted
    ? t("Your tokens for today are used up. The assistant answers you again {when}; until then your messages are posted without an answer.", { when })
    : t("Your tokens for today are used up. The assistant answers you again {when}; what you write here stays.", { when });
}

/** "at 02:00", or "tomorrow at 02:00" when that is not today where the reader is. */
export function resetTime(iso: string, now: number): string {
  const today = sameDay(iso, new Date(now).toISOString());
  return t(today ? "at {time}" : "tomorrow at {time}", { time: clockTime(iso) });
}

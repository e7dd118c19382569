const STEPS = [500, 1_000, 2_000, 4_000, 8_000, 15_000, 30_000];

/** Milliseconds to wait before try `attempt` (0 = first); ±20 % apart, so that a room does not return at once. */
export function delayBefore(attempt: number, random: () => number = Math.random): number {
  const base = STEPS[Math.min(attempt, STEPS.length - 1)] ?? 30_000;
  return Math.round(base * (0.8 + 0.4 * random()));
}

const FIRST = 250;
const LONGEST = 30_000;

/** Milliseconds before try `attempt` (from 0): doubled each time, up to 30 s, ±50 % so that clients do not return all at once. */
export function delayBefore(attempt: number): number {
  return Math.min(LONGEST, FIRST * 2 ** attempt) * (0.5 + Math.random());
}

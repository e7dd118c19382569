/** Where a scrolling box stands, in CSS pixels. */
export interface Place {
  top: number;
  height: number;
  client: number;
}

const NEAR = 48;

/**
 * Does the view go on following its end? It lets go only when the reader moved up: when the content became shorter
 * (older messages were taken off) the browser lowers `top` by itself, and that is no move of the reader. Nor is it one
 * while they are `typing`: a text field that is measured anew is small for a moment, and the box above it large.
 */
export function follows(before: boolean, last: Place, now: Place, typing = false): boolean {
  if (now.height - now.top - now.client < NEAR || (before && typing)) return true;
  const shorter = Math.max(0, last.height - now.height);
  return before && now.top >= last.top - shorter - 1;
}

import { randomId } from "../ui/ids";
import type { Box } from "../ui/storage";

const SHAPE = /^[a-z0-9]{1,12}$/;

/**
 * The seat of this window, or null for the browser's own place. A window opened with `?guest` gets a seat of its own,
 * with a session of its own, and keeps it over reloads.
 */
export function seatOf(wanted: boolean, tab: Box): string | null {
  const known = tab.read("seat");
  if (known !== null && SHAPE.test(known)) return known;
  if (!wanted) return null;
  const seat = randomId(6);
  tab.write("seat", seat);
  return seat;
}

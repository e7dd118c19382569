import type { Room } from "../connection/contract";
import { plural, t } from "../language/language";

/** Days after which the messages of a room are deleted: the fewer of its own and the server's; null is never. */
export function retentionOf(room: Pick<Room, "retentionDays">, server: number | null): number | null {
  const limits = [room.retentionDays ?? null, server].filter((days) => days !== null);
  return limits.length === 0 ? null : Math.min(...limits);
}

export function days(count: number): string {
  return plural(count, "1 day", "{count} days");
}

/** In a sentence for those who write there. */
export function retentionSentence(count: number | null): string {
  return count === null ? t("Messages are kept for good.") : t("Messages are deleted after {days}.", { days: days(count) });
}

/** What a room can be set to, with what it is set to among them. */
export function choices(present: number | null): number[] {
  const common = [1, 7, 30, 90, 365];
  return present === null || common.includes(present) ? common : [...common, present].toSorted((a, b) => a - b);
}

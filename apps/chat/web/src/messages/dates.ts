import { locale, number, t } from "../language/language";

const DAY = 86_400_000;
const CLOCK: Intl.DateTimeFormatOptions = { hour: "2-digit", minute: "2-digit" };
const EXACT: Intl.DateTimeFormatOptions = { dateStyle: "full", timeStyle: "medium" };
const DATE: Intl.DateTimeFormatOptions = { weekday: "long", day: "numeric", month: "long" };
const DATE_WITH_YEAR: Intl.DateTimeFormatOptions = { ...DATE, year: "numeric" };

/** Formats are costly to make, and each row has some: those of the language that is spoken are kept. */
const formats = new Map<Intl.DateTimeFormatOptions, Intl.DateTimeFormat>();
let spoken: string | undefined;

function written(iso: string, options: Intl.DateTimeFormatOptions): string {
  if (spoken !== locale()) formats.clear();
  spoken = locale();
  let format = formats.get(options);
  if (!format) formats.set(options, (format = new Intl.DateTimeFormat(spoken, options)));
  return format.format(new Date(iso));
}

/** The time of day, for beside a message. */
export function clockTime(iso: string): string {
  return written(iso, CLOCK);
}

/** The whole date and time, for who hovers. */
export function exactTime(iso: string): string {
  return written(iso, EXACT);
}

/** "just now", "5 min ago", "2 h ago", then the time of day (the day stands above). */
export function relativeTime(iso: string, now: number): string {
  const minutes = Math.floor((now - Date.parse(iso)) / 60_000);
  if (minutes < 1) return t("just now");
  if (minutes < 60) return t("{minutes} min ago", { minutes });
  return clockTime(iso);
}

/** The day as people say it, for the line between days. */
export function dayName(iso: string, now: number): string {
  const days = Math.round((startOfDay(now) - startOfDay(Date.parse(iso))) / DAY);
  if (days === 0) return t("Today");
  if (days === 1) return t("Yesterday");
  const sameYear = new Date(iso).getFullYear() === new Date(now).getFullYear();
  return written(iso, sameYear ? DATE : DATE_WITH_YEAR);
}

export function sameDay(a: string, b: string): boolean {
  return startOfDay(Date.parse(a)) === startOfDay(Date.parse(b));
}

/** Seconds as people read them: 0.8 s, 12 s, 2 min 5 s. */
export function duration(seconds: number): string {
  if (seconds < 10) return `${number(Number(Math.max(0, seconds).toFixed(1)), { minimumFractionDigits: 1, maximumFractionDigits: 1 })} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

/** A sentence of the server with its times of day ("at 00:00 UTC") as the reader's clock shows them. */
export function inOwnZone(text: string, now: number = Date.now()): string {
  return text.replace(/\b(at|um|a las) ([01]\d|2[0-3]):([0-5]\d) UTC\b/g, (_, at: string, hour: string, minute: string) => {
    return `${at} ${clockTime(new Date(new Date(now).setUTCHours(Number(hour), Number(minute), 0, 0)).toISOString())}`;
  });
}

function startOfDay(time: number): number {
  return new Date(time).setHours(0, 0, 0, 0);
}

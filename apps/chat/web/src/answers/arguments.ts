import { listed, number, t } from "../language/language";
import { visible } from "./visible";

/** Characters and lines of a value that are shown at first. */
const SHOWN = 240;
const LINES = 6;

/** A name of a program ("due_date", "dueDate") as words ("due date"). */
export function inWords(name: string): string {
  const words = name.replace(/(\p{Ll}|\d)(\p{Lu})/gu, "$1 $2").split(/[_\-\s.]+/).filter(Boolean);
  return words.map((word) => (word.length > 1 && word === word.toUpperCase() ? word : word.toLowerCase())).join(" ") || name;
}

/** What a tool is given, as names and texts; null when it has no names. */
export function argumentsOf(input: unknown): [name: string, text: string][] | null {
  if (typeof input !== "object" || input === null || Array.isArray(input)) return null;
  return Object.entries(input).map(([name, value]) => [visible(inWords(name)), textOf(value)]);
}

/** A value as a person reads it, with nothing hidden in it. What has parts within parts stays as it is written. */
export function textOf(value: unknown): string {
  if (typeof value === "string") return visible(value);
  if (typeof value === "number") return number(value, { maximumFractionDigits: 20, useGrouping: false });
  if (typeof value === "boolean") return value ? t("Yes") : t("No");
  if (value === null || value === undefined) return t("Nothing");
  if (Array.isArray(value) && value.every((each) => typeof each !== "object")) return value.length === 0 ? t("Nothing") : listed(value.map(textOf));
  return visible(JSON.stringify(value, null, 2));
}

/** The beginning of a long text; null when it is short. */
export function beginningOf(text: string): string | null {
  const lines = text.split("\n", LINES + 1);
  const begin = Array.from(lines.slice(0, LINES).join("\n")).slice(0, SHOWN).join("");
  return begin.length < text.length ? `${begin.trimEnd()}…` : null;
}

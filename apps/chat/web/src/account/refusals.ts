import { sentence } from "../connection/errors";
import { said, t } from "../language/language";
import { ApiError, Unreachable } from "./api";

/** Where a form says what is wrong: at one of its fields, or (null) below them. */
export interface Refusal {
  field: "name" | "password" | "current" | null;
  text: string;
  /** When another try makes sense (ms since 1970). */
  until: number | null;
}

const FIELDS: Record<string, Refusal["field"]> = {
  "name-taken": "name",
  "bad-name": "name",
  "weak-password": "password",
  "wrong-password": "password",
};

export function refusalOf(error: unknown, now: number): Refusal {
  if (error instanceof ApiError) {
    const until = error.retryAfter === null ? null : now + error.retryAfter * 1000;
    const text = error.code === "too-many" ? t("Too many attempts. Please wait a moment.") : said(error.message);
    return { field: FIELDS[error.code] ?? null, text, until };
  }
  const text = error instanceof Unreachable ? t("The server cannot be reached. Try again in a moment.") : sentence(error);
  return { field: null, text, until: null };
}

export const PASSWORD_LENGTH = 8;

/** What is wrong with a new password before the server is asked; null: nothing. */
export function weakness(password: string): string | null {
  return [...password].length < PASSWORD_LENGTH ? t("A password has at least {length} characters.", { length: PASSWORD_LENGTH }) : null;
}

export function remaining(until: number | null, now: number): number {
  return until === null ? 0 : Math.max(0, Math.ceil((until - now) / 1000));
}

import type { Reaction } from "../connection/contract";
import { listed, msg, t } from "../language/language";

/** What people react with; the server takes these only (`attached.py`). */
export const EMOJI: readonly string[] = [
  "👍", "👎", "❤️", "😂", "🎉", "😮", "😢", "🙏",
  "👀", "✅", "❌", "🔥", "🚀", "👏", "💯", "🤔",
  "😄", "😅", "🙂", "😉", "😍", "😎", "😴", "😡",
  "👋", "💪", "🤝", "💡", "⭐", "⏳", "☕", "🐛",
];

/** The names that a screen reader says and a search finds. */
export const NAMES: Readonly<Record<string, string>> = Object.fromEntries(
  [
    msg("thumbs up"), msg("thumbs down"), msg("heart"), msg("laughing"), msg("party"), msg("surprised"), msg("sad"), msg("thanks"),
    msg("eyes"), msg("done"), msg("no"), msg("fire"), msg("rocket"), msg("applause"), msg("hundred"), msg("thinking"),
    msg("grinning"), msg("nervous laugh"), msg("smiling"), msg("winking"), msg("in love"), msg("cool"), msg("asleep"), msg("angry"),
    msg("waving"), msg("strong"), msg("handshake"), msg("idea"), msg("star"), msg("waiting"), msg("coffee"), msg("bug"),
  ].map((name, index) => [EMOJI[index], name]),
);

const NAMED = 20;

export function isMine(reaction: Reaction, me: string): boolean {
  return reaction.people.some((person) => person.id === me);
}

/** Who reacted, in words: `Ada, Bob and you reacted with thumbs up`. */
export function whoReacted({ emoji, people }: Reaction, me: string): string {
  const others = people.filter((person) => person.id !== me).map((person) => person.name);
  const names = others.length > NAMED ? [...others.slice(0, NAMED), t("{count} more", { count: others.length - NAMED })] : others;
  if (others.length < people.length) names.push(t("you"));
  if (names.length === 0) names.push(t("Nobody"));
  return t("{names} reacted with {emoji}", { names: listed(names), emoji: t(NAMES[emoji] ?? emoji) });
}

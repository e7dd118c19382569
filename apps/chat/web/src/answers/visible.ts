/**
 * Characters of which nothing is seen, or that turn the direction of what is behind them. A person who agrees to
 * something must see what a program reads: with these, "txt.exe" is shown as "exe.txt".
 */
const HIDDEN = /^[\0-\x08\x0b-\x1f\x7f-\x9f\p{Default_Ignorable_Code_Point}\p{Cs}\p{Co}\u2028\u2029\u2800\ufff9-\ufffb]$/u;
const ANY = new RegExp(HIDDEN.source.slice(1, -1), "u");
const PICTURE = /^\p{Extended_Pictographic}$/u;
const PART_OF_PICTURE = /^[\p{Extended_Pictographic}\p{Emoji_Modifier}\ufe0f]$/u;
const LETTER = /^[\p{L}\p{M}]$/u;
/** Alphabets whose letters are not joined: between them a joiner has no purpose. */
const UNJOINED = /^[\p{Script=Latin}\p{Script=Greek}\p{Script=Cyrillic}\p{Script=Armenian}\p{Script=Cherokee}\p{Script=Coptic}\p{Script=Lisu}]$/u;

/** A text with escapes ("\u202E") in the place of what cannot be seen in it. Parts of emoji and of letters stay. */
export function visible(text: string): string {
  if (!ANY.test(text)) return text;
  const all = Array.from(text);
  return all.map((each, at) => (HIDDEN.test(each) && !hasPurpose(all[at - 1] ?? "", each, all[at + 1] ?? "") ? escaped(each) : each)).join("");
}

function hasPurpose(before: string, mark: string, after: string): boolean {
  switch (mark) {
    case "\r":
      return after === "\n";
    case "\ufe0e": // asks for the plain form of the sign before it, and the next one for the coloured form
    case "\ufe0f":
      return PICTURE.test(before) || (/^[\d#*]$/.test(before) && after === "\u20e3");
    case "\u200d":
      return (PART_OF_PICTURE.test(before) && PICTURE.test(after)) || areJoined(before, after);
    case "\u200c":
      return areJoined(before, after);
    default:
      return false;
  }
}

function areJoined(before: string, after: string): boolean {
  return [before, after].every((each) => LETTER.test(each) && !UNJOINED.test(each) && !HIDDEN.test(each));
}

function escaped(character: string): string {
  const code = (character.codePointAt(0) ?? 0).toString(16).toUpperCase();
  return code.length > 4 ? `\\u{${code}}` : `\\u${code.padStart(4, "0")}`;
}

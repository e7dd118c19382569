/** What the page can speak. English is the language of the sources; the others are catalogues beside this file. */
export const LANGUAGES = ["en", "de", "es"] as const;
export type Language = (typeof LANGUAGES)[number];

/** The forms of a text with a number, by the language's plural categories (CLDR). */
export type Forms = Partial<Record<Intl.LDMLPluralRule, string>> & { other: string };
/** Translations by the English text; of a plural by its English `other` form. */
export type Catalogue = Readonly<Record<string, string | Forms>>;
export type Values = Readonly<Record<string, string | number>>;

let catalogue: Catalogue = {};
let language: Language = "en";
let tag: string | undefined;

/** Makes a language the one in which everything after this speaks; `locale` is how its dates and numbers are written. */
export function speak(next: Language, texts: Catalogue, locale: string = next): void {
  language = next;
  catalogue = texts;
  tag = locale;
  templates = null;
}

/** The English `text` in the reader's language, with `{name}` replaced by the value of that name. */
export function t(text: string, values: Values = {}): string {
  const found = catalogue[text];
  return filled(typeof found === "string" ? found : text, values);
}

/** The same with a number in it, which is `{count}`. */
export function plural(count: number, one: string, other: string, values: Values = {}): string {
  const found = catalogue[other];
  const forms: Forms = typeof found === "object" ? found : { one, other };
  return filled(forms[new Intl.PluralRules(language).select(count)] ?? forms.other, { count, ...values });
}

/** Marks a text that is translated where it is shown, by `t`; for constants, which are made before there is a language. */
export function msg(text: string): string {
  return text;
}

/** How dates are written; undefined is as the browser does. */
export function locale(): string | undefined {
  return tag;
}

export function number(value: number, options?: Intl.NumberFormatOptions): string {
  return value.toLocaleString(tag ?? "en", options);
}

/** Names in a row: "Ada, Bob and Cy". */
export function listed(names: readonly string[], type: "conjunction" | "disjunction" = "conjunction"): string {
  if (language === "en") {
    const last = names.at(-1) ?? "";
    return names.length < 2 ? last : `${names.slice(0, -1).join(", ")} ${type === "conjunction" ? "and" : "or"} ${last}`;
  }
  return new Intl.ListFormat(language, { type }).format(names);
}

function filled(text: string, values: Values): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = values[name];
    return value === undefined ? whole : typeof value === "number" ? number(value) : value;
  });
}

let templates: readonly { pattern: RegExp; text: string }[] | null = null;

/** A sentence of the server in the reader's language; one that the catalogue does not have stays as it is. */
export function said(sentence: string): string {
  const text = sentence.trim();
  const found = catalogue[text];
  if (language === "en" || text === "") return sentence;
  if (typeof found === "string") return sentence.replace(text, () => found);
  templates ??= templatesOf(catalogue);
  for (const template of templates) {
    const values = template.pattern.exec(text)?.slice(1);
    if (values) return sentence.replace(text, () => filled(template.text, Object.fromEntries(values.map((value, index) => [index, told(value)]))));
  }
  return sentence;
}

/** A value inside a sentence of the server: a number as it is written here, or words that the catalogue may know. */
function told(value: string): string {
  return /^\d{1,3}(,\d{3})+$/.test(value) ? number(Number(value.replaceAll(",", ""))) : said(value);
}

/** The server's sentences with values, which are `{0}`, `{1}` …: those that say most first. */
function templatesOf(texts: Catalogue): { pattern: RegExp; text: string }[] {
  const found = Object.entries(texts).flatMap(([key, text]) => (key.includes("{0}") && typeof text === "string" ? [{ key, text }] : []));
  const weight = (key: string) => key.replace(/\{\d\}/g, "").length;
  return found
    .toSorted((a, b) => weight(b.key) - weight(a.key))
    .map(({ key, text }) => ({ text, pattern: new RegExp(`^${key.split(/\{\d\}/).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("(.*?)")}$`, "s") }));
}

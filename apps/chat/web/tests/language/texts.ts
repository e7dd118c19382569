import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseSync } from "vite";

const WEB = join(import.meta.dirname, "..", "..", "src");
const SERVER = join(import.meta.dirname, "..", "..", "..", "src", "hubline_chat");

interface Node {
  type: string;
  start: number;
  [key: string]: unknown;
}

export interface Text {
  key: string;
  isPlural: boolean;
}

export interface Found {
  /** The texts that are marked for translation. */
  texts: Text[];
  /** Where a person reads something that is not marked: `file: text`. */
  bare: string[];
  /** Where a text is translated while the page loads, before there is a language. */
  early: string[];
}

/** Attributes that people read or hear. */
const READ = new Set(["label", "title", "aria-label", "aria-valuetext", "aria-description", "placeholder", "hint", "alt", "text", "action", "note"]);
const MARKS = new Set(["t", "msg", "plural", "rich"]);
/** Names and units, the same in every language. */
const SAME = /^[\s\d·:,.()/#@+%–-]*(Hubline( Chat)?|Markdown|JSON|K|F|ms|s|min|B)?[\s·]*$/;
const LETTER = /\p{L}/u;

function files(root: string, ending: RegExp): string[] {
  return readdirSync(root, { recursive: true, encoding: "utf8" }).filter((name) => ending.test(name)).sort();
}

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && typeof (value as Node).type === "string";
}

function children(node: Node): Node[] {
  return Object.values(node).flatMap((value) => (Array.isArray(value) ? value : [value])).filter(isNode);
}

/** The strings that an expression can be: of a choice both, of a lookup in a literal all. */
function stringsOf(node: Node | undefined): string[] {
  if (!node) return [];
  const part = (name: string) => stringsOf(node[name] as Node | undefined);
  switch (node.type) {
    case "Literal":
      return typeof node.value === "string" ? [node.value] : [];
    case "TemplateLiteral":
      return [...(node.quasis as { value: { cooked: string } }[]).map((quasi) => quasi.value.cooked), ...(node.expressions as Node[]).flatMap(stringsOf)];
    case "ConditionalExpression":
      return [...part("consequent"), ...part("alternate")];
    case "LogicalExpression":
      return [...part("left"), ...part("right")];
    case "BinaryExpression":
      return node.operator === "+" ? [...part("left"), ...part("right")] : [];
    case "ObjectExpression":
      return (node.properties as Node[]).flatMap((property) => stringsOf(property.value as Node));
    case "MemberExpression":
      return (node.object as Node).type === "ObjectExpression" ? part("object") : [];
    case "JSXExpressionContainer":
      return part("expression");
    default:
      return [];
  }
}

/** What one source says to people. */
export function textsOf(name: string, source: string): Found {
  const found: Found = { texts: [], bare: [], early: [] };
  const bare = (texts: string[]) => found.bare.push(...texts.filter((text) => LETTER.test(text) && !SAME.test(text)).map((text) => `${name}: ${text.trim()}`));
  const walk = (node: Node, inFunction: boolean) => {
    if (node.type === "CallExpression" && MARKS.has(String((node.callee as Node).name))) {
      const mark = String((node.callee as Node).name);
      const [first, , third] = node.arguments as Node[];
      const keys = stringsOf(mark === "plural" ? third : first);
      found.texts.push(...keys.filter((key) => key !== "").map((key) => ({ key, isPlural: mark === "plural" })));
      if (mark !== "msg" && !inFunction) found.early.push(`${name}: ${keys.join(" ")}`);
    }
    if (node.type === "JSXText") bare([String(node.value)]);
    if (node.type === "JSXAttribute" && READ.has(String((node.name as Node).name))) bare(stringsOf(node.value as Node));
    if (node.type === "JSXElement" || node.type === "JSXFragment") {
      bare((node.children as Node[]).filter((child) => child.type === "JSXExpressionContainer").flatMap(stringsOf));
    }
    const inside = inFunction || /Function|MethodDefinition/.test(node.type);
    for (const child of children(node)) walk(child, inside);
  };
  const { program, errors } = parseSync(name, source, { lang: name.endsWith("x") ? "tsx" : "ts" });
  if (errors.length > 0) throw new Error(`${name}: ${errors[0]?.message}`);
  walk(program as unknown as Node, false);
  return found;
}

/** What the whole page says. */
export function textsOfPage(): Found {
  const all = files(WEB, /\.tsx?$/).filter((name) => !/^language.(de|es)\.ts$/.test(name)).map((name) => textsOf(name, readFileSync(join(WEB, name), "utf8")));
  return { texts: all.flatMap((each) => each.texts), bare: all.flatMap((each) => each.bare), early: all.flatMap((each) => each.early) };
}

/** Parts of the server whose sentences are for the terminal, its log, or the model. */
const NOT_SHOWN = /^(settings|launch|models|model_file|prompts|transcript|client|__main__)\.py$|^(tools|store.migrations|export)[\\/]|^files.(material|choice)\.py$|^store.(claim|migrate)\.py$|^accounts.administrator\.py$/;
const LITERALS = /(?<![\w"])f?"((?:[^"\\\n]|\\.)*)"(?:\s*f?"(?:[^"\\\n]|\\.)*")*/g;

/** The strings in Python sources, with `{0}`, `{1}` … for the values of f-strings. */
export function stringsOfPython(source: string): string[] {
  const code = source.replace(/"""[\s\S]*?"""/g, "").replace(/^\s*#.*$/gm, "").replace(/logger\.\w+\([^\n]*/g, "");
  return [...code.matchAll(LITERALS)].map(([whole]) => {
    let count = 0;
    return [...whole.matchAll(/(f?)"((?:[^"\\\n]|\\.)*)"/g)]
      .map(([, isFormatted, text = ""]) => (isFormatted ? text.replace(/\{[^{}]*\}/g, () => `{${count++}}`) : text))
      .join("");
  });
}

export interface ServerTexts {
  /** Sentences that a page may be sent. */
  sentences: string[];
  /** Everything that can be a part of one. */
  all: string[];
}

export function textsOfServer(): ServerTexts {
  const all: string[] = [];
  const sentences: string[] = [];
  for (const name of files(SERVER, /\.py$/)) {
    const strings = stringsOfPython(readFileSync(join(SERVER, name), "utf8")).map((text) => text.trim());
    all.push(...strings);
    if (!NOT_SHOWN.test(name)) sentences.push(...strings.filter((text) => /^(\p{Lu}|\{0\} ).* .*[.!?](\{\d\})?$/u.test(text) && !/\\n/.test(text)));
  }
  return { sentences: [...new Set(sentences)], all };
}

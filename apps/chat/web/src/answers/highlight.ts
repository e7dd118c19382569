import type { ElementContent, RootContent } from "hast";
import { Store } from "../ui/store";

/** A piece of code with the class of its colour, or none. */
export interface Span {
  text: string;
  look: string | null;
}

export type Highlighter = (text: string, language: string) => Span[] | null;

/** Null until the highlighter has been loaded: code is shown plain until then. */
export const highlighter = new Store<Highlighter | null>(null);

const LIMIT = 20_000;
let loading: Promise<void> | undefined;

/** Fetches the highlighter; it is a file of its own because many visits never need it. */
export function wantHighlighter(): void {
  loading ??= load().catch(() => void (loading = undefined));
}

async function load(): Promise<void> {
  const { lowlight } = await import("./languages");
  highlighter.set((text, language) => {
    if (text.length > LIMIT || !lowlight.registered(language)) return null;
    return flatten(lowlight.highlight(language, text).children, null);
  });
}

function flatten(nodes: readonly (RootContent | ElementContent)[], look: string | null): Span[] {
  return nodes.flatMap((node): Span[] => {
    if (node.type === "text") return [{ text: node.value, look }];
    if (node.type !== "element") return [];
    const names = node.properties.className;
    const name = Array.isArray(names) ? String(names[0]).replace(/^hljs-/, "") : null;
    return flatten(node.children, colourOf(name) ?? look);
  });
}

const COLOURS: Record<string, readonly string[]> = {
  keyword: ["keyword", "built_in", "type", "selector-tag", "name", "tag", "meta"],
  string: ["string", "regexp", "char", "addition", "template-variable"],
  number: ["number", "literal", "symbol", "bullet", "variable"],
  comment: ["comment", "quote", "deletion"],
  title: ["title", "section", "attr", "attribute", "function", "property"],
};

const COLOUR_OF = new Map(Object.entries(COLOURS).flatMap(([colour, names]) => names.map((name) => [name, colour] as const)));

function colourOf(name: string | null): string | null {
  return name === null ? null : (COLOUR_OF.get(name) ?? null);
}

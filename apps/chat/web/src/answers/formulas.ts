import { Store } from "../ui/store";

/** Draws a formula of TeX into an element. */
export type Draw = (source: string, into: HTMLElement, block: boolean) => void;

/** Null until KaTeX has been loaded: formulas are shown as they are written until then. */
export const formulas = new Store<Draw | null>(null);

let loading: Promise<void> | undefined;

/** Fetches KaTeX; it is a file of its own because many visits never need it. */
export function wantFormulas(): void {
  loading ??= load().catch(() => void (loading = undefined));
}

async function load(): Promise<void> {
  const { draw } = await import("./katex");
  formulas.set(draw);
}

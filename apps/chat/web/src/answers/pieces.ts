import type { Part } from "@hubline/client";
import type { ToolUse } from "../connection/contract";
import { t } from "../language/language";

/** An answer in order: its text, and between it the tools that were used. */
export type Piece = { kind: "text"; text: string } | { kind: "tool"; use: ToolUse };

const GAP = "\n\n";
const PREFIX = "tool-";

/** The pieces of a running answer. */
export function livePieces(parts: readonly Part[]): readonly Piece[] {
  const pieces: Piece[] = [];
  for (const part of parts) {
    const last = pieces.at(-1);
    if (part.kind === "text" && part.text !== "") {
      if (last?.kind === "text") last.text += part.text;
      else pieces.push({ kind: "text", text: part.text });
    } else if (part.kind === "data" && part.name.startsWith(PREFIX)) {
      pieces.push({ kind: "tool", use: { ...(part.value as ToolUse), name: part.name.slice(PREFIX.length) } });
    }
  }
  return pieces;
}

/** The same of an answer as it is stored: `at` of a tool counts code points of the text. */
export function storedPieces(text: string, tools: readonly ToolUse[] = []): readonly Piece[] {
  if (tools.length === 0) return text === "" ? [] : [{ kind: "text", text }];
  const characters = Array.from(text);
  const pieces: Piece[] = [];
  let begin = 0;
  const cut = (end: number) => {
    const piece = characters.slice(begin, end).join("");
    const said = begin > 0 && piece.startsWith(GAP) ? piece.slice(GAP.length) : piece;
    if (said !== "") pieces.push({ kind: "text", text: said });
    begin = end;
  };
  for (const use of tools) {
    cut(use.at ?? begin);
    pieces.push({ kind: "tool", use });
  }
  cut(characters.length);
  return pieces;
}

/** The text alone, as the server stores it. */
export function textOf(pieces: readonly Piece[]): string {
  return pieces.flatMap((piece) => (piece.kind === "text" ? [piece.text] : [])).join(GAP);
}

/** The tool that waits for a decision: there is one at most. */
export function askedFor(pieces: readonly Piece[]): ToolUse | undefined {
  return pieces.flatMap((piece) => (piece.kind === "tool" && piece.use.state === "approval-requested" ? [piece.use] : [])).at(-1);
}

/** What became of a tool, in a few words. `running`: the answer goes on. */
export function outcome(use: ToolUse, running: boolean): string {
  const name = use.decidedBy;
  switch (use.state) {
    case "output-available":
      return name ? t("agreed by {name}", { name }) : "";
    case "output-denied":
      return name ? t("declined by {name}", { name }) : t("declined");
    case "output-error":
      return t(use.timedOut ? "timed out" : "failed");
    case "approval-requested":
      return t(running ? "waits for a decision" : "was not decided");
    case "approval-responded":
      if (!running) return t("broke off: whether it was done is not known");
      return name ? t("agreed by {name}, under way", { name }) : t("agreed, under way");
    default:
      return t(running ? "under way" : "was not used");
  }
}

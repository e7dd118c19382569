import type { UIMessageChunk } from "ai";
import type { RunState } from "./content.js";
import type { Ask, DataPart, Part, Status, TextPart } from "./items.js";

/** Converts a run to chunks of the AI SDK: for each new state, what has changed since the state before. */
export interface ChunkWriter {
  /** Writes the changes; true when that was the end. */
  write(state: RunState): boolean;
}

export function chunkWriter(messageId: string, send: (chunk: UIMessageChunk) => void): ChunkWriter {
  let sent: Part[] = [];
  let asks: readonly Ask[] = [];
  let status: Status | null = null;
  let begun = false;
  let sideBySide = false;
  const open = new Map<string, TextPart["kind"]>();

  const closeAll = () => {
    for (const [part, kind] of open) send({ type: `${kind}-end`, id: part });
    open.clear();
  };
  const begin = (part: Part) => {
    if (!sideBySide) closeAll();
    if (part.kind === "data") return sendData(part, undefined, send);
    open.set(part.part, part.kind);
    send({ type: `${part.kind}-start`, id: part.part });
    if (part.text) send({ type: `${part.kind}-delta`, id: part.part, delta: part.text });
  };
  /** Parts were retracted, and there is no chunk for that: everything is removed, and the remaining parts are sent again. */
  const again = (parts: readonly Part[]) => {
    open.clear();
    send({ type: "reset-step" });
    sent = [];
    for (const part of parts) {
      begin(part);
      sent.push(part);
    }
  };
  const writeParts = (parts: readonly Part[]) => {
    for (const [index, part] of parts.entries()) {
      const before = sent[index];
      if (part === before) continue;
      if (!before) {
        begin(part);
      } else if (!follows(before, part)) {
        return again(parts);
      } else if (part.kind === "data") {
        sendData(part, before as DataPart, send);
      } else if (open.has(part.part)) {
        const delta = part.text.slice((before as TextPart).text.length);
        if (delta) send({ type: `${part.kind}-delta`, id: part.part, delta });
      } else {
        sideBySide = true; // a part that was taken for complete still grows: from now on no part is complete before the end
        return again(parts);
      }
      sent[index] = part;
    }
    if (parts.length < sent.length) again(parts);
  };
  const writeAsks = (now: readonly Ask[]) => {
    const told = (ask: Ask, isOpen: boolean) => send({ type: "data-ask", id: ask.askId, data: { ...ask, open: isOpen } });
    for (const ask of now) if (!asks.some((each) => each.askId === ask.askId)) told(ask, true);
    for (const ask of asks) if (!now.some((each) => each.askId === ask.askId)) told(ask, false);
    asks = now;
  };
  return {
    write(state) {
      if (!begun) {
        begun = true;
        send({ type: "start", messageId });
        send({ type: "start-step" });
      }
      writeParts(state.parts);
      if (state.asks !== asks) writeAsks(state.asks);
      if (state.status && state.status !== status) send({ type: "data-status", data: state.status, transient: true });
      status = state.status;
      if (!state.ended) return false;
      closeAll();
      if (state.state === "completed" || state.state === "stopped") send({ type: "finish-step" });
      if (state.state === "completed") send({ type: "finish", finishReason: "stop" });
      else if (state.state === "stopped") send({ type: "abort" });
      else send({ type: "error", errorText: state.error ?? `The answer was ${state.state}.` });
      return true;
    },
  };
}

/** Whether the first can become the second by growing, or by a newer value. */
function follows(before: Part, part: Part): boolean {
  if (before.part !== part.part || before.kind !== part.kind) return false;
  if (before.kind === "data") return before.name === (part as DataPart).name && before.name !== "source-url";
  return (part as TextPart).text.startsWith(before.text);
}

interface ToolCall {
  toolCallId?: string;
  state?: string;
  input?: unknown;
  output?: unknown;
  errorText?: string;
}

/** A value: tool calls and sources, as `Run.pipe` names them, have chunks of their own; every other value is `data-NAME`. */
function sendData(part: DataPart, before: DataPart | undefined, send: (chunk: UIMessageChunk) => void): void {
  const { name, value } = part;
  const url = (value as { url?: unknown; title?: unknown } | null)?.url;
  if (name === "source-url" && typeof url === "string") {
    const { title } = value as { title?: unknown };
    send({ type: "source-url", sourceId: part.part, url, ...(typeof title === "string" ? { title } : null) });
  } else if (name.startsWith("tool-") && value !== null && typeof value === "object") {
    sendTool(part.part, name.slice(5), value, before?.value as ToolCall | undefined, send);
  } else {
    send({ type: `data-${name}`, id: part.part, data: value });
  }
}

function sendTool(part: string, toolName: string, now: ToolCall, before: ToolCall | undefined, send: (chunk: UIMessageChunk) => void): void {
  const toolCallId = now.toolCallId ?? part;
  const ended = now.state === "output-available" || now.state === "output-error";
  if (now.state === "input-streaming") return send({ type: "tool-input-start", toolCallId, toolName });
  if (!ended || !before || before.state === "input-streaming") {
    send({ type: "tool-input-available", toolCallId, toolName, input: now.input ?? {}, providerExecuted: true });
  }
  if (now.state === "output-available") {
    send({ type: "tool-output-available", toolCallId, output: now.output ?? null, providerExecuted: true });
  } else if (now.state === "output-error") {
    send({ type: "tool-output-error", toolCallId, errorText: now.errorText ?? "", providerExecuted: true });
  }
}

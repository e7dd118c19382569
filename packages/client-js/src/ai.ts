import type { ChatTransport, UIMessage, UIMessageChunk } from "ai";
import { callWhenConnected } from "./calls.js";
import { chunkWriter } from "./chunks.js";
import type { Connection } from "./connection.js";
import type { RunInfo } from "./items.js";
import { attachRun, type AttachedRun } from "./run.js";

type Request<M extends UIMessage> = Parameters<ChatTransport<M>["sendMessages"]>[0];

/** The request of `useChat`. */
export type StartRequest<M extends UIMessage> = Omit<Request<M>, "abortSignal"> & {
  /** The same when the call is repeated after a lost connection. Pass it on as the run's key, so that the run is started once. */
  key: string;
};

export interface ChatTransportOptions<M extends UIMessage> {
  /** Lets the server start a run, and returns its id: `({ chatId, messages, key }) => connection.invoke("Ask", chatId, messages, key)`. */
  start(request: StartRequest<M>): Promise<string>;
  /** The id of the run that is answering in a chat; null without one. Default: the newest run of the room with the chat's id, by `RoomRuns`. */
  find?: ((chatId: string) => Promise<string | null>) | undefined;
}

export interface RunChatTransport<M extends UIMessage> extends ChatTransport<M> {
  readonly resumeStreamIsReplay: true;
  /** Ends the answer in a chat on the server. `useChat`'s own `stop` only stops listening. */
  stop(chatId: string): Promise<void>;
}

/** `useChat` over a hub connection: answers are runs, which continue without a viewer, and which `resume` finds again. */
export function chatTransport<M extends UIMessage = UIMessage>(
  connection: Connection,
  { start, find = (chatId) => newestOf(connection, chatId) }: ChatTransportOptions<M>,
): RunChatTransport<M> {
  const current = new Map<string, string>();

  const stream = (chatId: string, runId: string, signal: AbortSignal | undefined) => {
    current.set(chatId, runId);
    const run = attachRun(connection, runId);
    void run.done.then(() => current.get(chatId) === runId && run.state.ended && current.delete(chatId));
    return chunksOf(run, signal);
  };
  return {
    resumeStreamIsReplay: true,
    async sendMessages({ abortSignal, ...request }) {
      const key = `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`;
      const runId = await callWhenConnected(connection, true, () => start({ ...request, key }), abortSignal);
      return stream(request.chatId, runId, abortSignal);
    },
    async reconnectToStream({ chatId, ...others }) {
      const { abortSignal } = others as { abortSignal?: AbortSignal };
      const runId = await callWhenConnected(connection, true, () => find(chatId), abortSignal);
      return runId === null ? null : stream(chatId, runId, abortSignal);
    },
    async stop(chatId) {
      const runId = current.get(chatId) ?? (await callWhenConnected(connection, true, () => find(chatId)));
      if (runId !== null) await callWhenConnected(connection, true, () => connection.invoke("StopRun", runId));
    },
  };
}

async function newestOf(connection: Connection, room: string): Promise<string | null> {
  const runs = await connection.invoke<RunInfo[]>("RoomRuns", room);
  return runs.findLast((run) => run.endedAt === null)?.id ?? null;
}

/** A run as a stream of chunks. To cancel or abort the stream only detaches from the run. */
function chunksOf(run: AttachedRun, signal: AbortSignal | undefined): ReadableStream<UIMessageChunk> {
  let end = () => {};
  return new ReadableStream<UIMessageChunk>({
    start(controller) {
      const writer = chunkWriter(run.id, (chunk) => controller.enqueue(chunk));
      const unsubscribe = run.onChange((state) => {
        if (state.state !== null && writer.write(state)) finish();
      });
      end = () => {
        unsubscribe();
        signal?.removeEventListener("abort", aborted);
        run.detach();
      };
      const finish = () => {
        end();
        controller.close();
      };
      const aborted = () => {
        end();
        controller.error(signal?.reason ?? new DOMException("Aborted", "AbortError"));
      };
      signal?.addEventListener("abort", aborted);
      if (signal?.aborted) aborted();
    },
    cancel: () => end(),
  });
}

import { memo, useEffect, useMemo, useRef, useState } from "react";
import { ExpectedRow } from "../answers/AnswerRow";
import { MentionNames } from "../answers/mentions";
import { useChat } from "../chat";
import type { Message } from "../connection/contract";
import { lastSeq, type RoomView } from "../rooms/room-view";
import { Button } from "../ui/buttons";
import { Icon } from "../ui/Icon";
import { useValue } from "../ui/store";
import { useWords } from "../ui/use-now";
import { chunksOf, continues, sameChunk, type Chunk } from "./chunks";
import { dayName, sameDay } from "./dates";
import { EmptyRoom, LoadingRoom, RoomFailed } from "./Placeholders";
import { MessageRow } from "./MessageRow";
import styles from "./timeline.module.css";
import { UnsentRow } from "./UnsentRow";
import { useHoldPlace, useStick } from "./use-stick";
import { useWaiting } from "./use-waiting";
import messageStyles from "./message.module.css";

/** The conversation of a room in one of its five states. */
export function Timeline({ roomId }: { roomId: string }) {
  const chat = useChat();
  const view = useValue(chat.rooms.view(roomId));
  const waiting = useWaiting(roomId, view.messages);
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const { atBottom, jump } = useStick(scroller, content);
  const news = useNews(view.messages, atBottom);
  useHoldPlace(scroller, view.messages[0]?.id ?? "");
  useEffect(jump, [jump, waiting.unsent.length]);
  useReading(roomId, view, atBottom);
  const names = useMemo(() => ["ai", ...view.people.map((person) => person.name)], [view.people]);
  const empty = view.messages.every((message) => message.seq === 0) && waiting.unsent.length === 0;
  return (
    <div className={styles.frame}>
      {/* The answers' end is announced elsewhere: a log that speaks would read every word as it comes. */}
      <div className={styles.scroller} ref={scroller} role="log" aria-label="Conversation" aria-live="off" aria-busy={view.status === "loading"} tabIndex={0}>
        <div className={styles.content} ref={content}>
          <MentionNames value={names}>
            {view.status === "ready" && view.hasMore && <Earlier roomId={roomId} state={view.earlier} scroller={scroller} />}
            {view.status === "loading" && view.messages.length === 0 && waiting.unsent.length === 0 && <LoadingRoom />}
            {view.status === "error" && <RoomFailed roomId={roomId} error={view.error} />}
            {view.status === "ready" && empty && <EmptyRoom roomId={roomId} />}
            {chunksOf(view.messages).map((chunk) => <ChunkRows key={chunk.key} chunk={chunk} newAfter={view.newAfter} />)}
            {waiting.unsent.map((entry) => <UnsentRow key={entry.clientMessageId} entry={entry} me={waiting.me} />)}
            {waiting.assistant && waiting.expected.map((each) => <ExpectedRow key={each.clientMessageId} author={waiting.assistant!} since={each.since} />)}
          </MentionNames>
        </div>
      </div>
      {!atBottom && (
        <button type="button" className={styles.pill} onClick={jump}>
          <Icon name="down" size={16} />
          Jump to latest
          {news > 0 && <span className={styles.count}>{news} new</span>}
        </button>
      )}
    </div>
  );
}

const ChunkRows = memo(
  function ChunkRows({ chunk, newAfter }: { chunk: Chunk; newAfter: number | null }) {
    return (
      <section className={styles.chunk}>
        {chunk.messages.map((message, index) => (
          <Entry key={message.id} message={message} above={index === 0 ? chunk.above : chunk.messages[index - 1]} newAfter={newAfter} />
        ))}
      </section>
    );
  },
  (a, b) => a.newAfter === b.newAfter && sameChunk(a.chunk, b.chunk),
);

function Entry({ message, above, newAfter }: { message: Message; above: Message | undefined; newAfter: number | null }) {
  const day = message.seq > 0 && (!above || !sameDay(above.sentAt, message.sentAt));
  const fresh = newAfter !== null && message.seq > newAfter && (above?.seq ?? 0) <= newAfter && message.seq > 0;
  return (
    <>
      {day && <Day iso={message.sentAt} />}
      {fresh && <p className={`${messageStyles.line} ${messageStyles.new}`}>New</p>}
      <MessageRow message={message} grouped={!day && !fresh && continues(message, above)} />
    </>
  );
}

function Day({ iso }: { iso: string }) {
  return <p className={messageStyles.line}>{useWords(iso, dayName)}</p>;
}

/** The way to older messages: fetched when the reader comes near, with a button for the rest. */
function Earlier({ roomId, state, scroller }: { roomId: string; state: RoomView["earlier"]; scroller: React.RefObject<HTMLElement | null> }) {
  const chat = useChat();
  const ref = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!ref.current || state !== "idle") return;
    const near = new IntersectionObserver(
      (seen) => seen.some((entry) => entry.isIntersecting) && void chat.rooms.loadEarlier(roomId),
      { root: scroller.current, rootMargin: "600px 0px 0px" },
    );
    near.observe(ref.current);
    return () => near.disconnect();
  }, [chat, roomId, state, scroller]);
  return (
    <div className={styles.earlier} ref={ref}>
      {state === "error" && "Earlier messages could not be loaded. "}
      {state === "loading" ? "Loading earlier messages…" : (
        <Button look="link" onClick={() => void chat.rooms.loadEarlier(roomId)}>{state === "error" ? "Retry" : "Load earlier"}</Button>
      )}
    </div>
  );
}

/** How many messages came since the reader left the bottom. */
function useNews(messages: readonly Message[], atBottom: boolean): number {
  const last = lastSeq(messages);
  const [left, setLeft] = useState(last);
  if (atBottom && left !== last) setLeft(last);
  return atBottom ? 0 : messages.filter((message) => message.seq > left).length;
}

/** What is on the screen of somebody who is here counts as read. */
function useReading(roomId: string, view: RoomView, atBottom: boolean): void {
  const { rooms } = useChat();
  useEffect(() => {
    if (!atBottom || view.status !== "ready") return;
    rooms.trim(roomId);
    const read = () => document.visibilityState === "visible" && rooms.markRead(roomId);
    read();
    document.addEventListener("visibilitychange", read);
    return () => document.removeEventListener("visibilitychange", read);
  }, [rooms, roomId, view, atBottom]);
}

import { memo, useCallback, useEffect, useMemo, useRef, useState } from "react";
import { ExpectedRow } from "../answers/AnswerRow";
import { MentionNames } from "../answers/mentions";
import { useChat } from "../chat";
import type { Message } from "../connection/contract";
import { t } from "../language/language";
import { lastSeq, type RoomView } from "../rooms/room-view";
import { Icon } from "../ui/Icon";
import { useValue } from "../ui/store";
import { useWords } from "../ui/use-now";
import { chunksOf, continues, sameChunk, type Chunk } from "./chunks";
import { dayName, sameDay } from "./dates";
import { EmptyRoom, LoadingRoom, RoomFailed } from "./Placeholders";
import { MessageRow } from "./MessageRow";
import { Neighbours } from "./Neighbours";
import { NewAbove } from "./NewAbove";
import styles from "./timeline.module.css";
import { UnsentRow } from "./UnsentRow";
import { useDrawn } from "./use-drawn";
import { useHoldPlace, useStick } from "./use-stick";
import { useArrival, useTarget } from "./use-target";
import { useWaiting } from "./use-waiting";
import messageStyles from "./message.module.css";

/** The conversation of a room in one of its five states. */
export function Timeline({ roomId }: { roomId: string }) {
  const chat = useChat();
  const target = useValue(chat.places.target);
  const view = useDrawn(useValue(chat.rooms.view(roomId)), target?.messageId ?? null);
  const waiting = useWaiting(roomId, view.messages);
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const { atBottom, jump, leave } = useStick(scroller, content, view.hasLater);
  const news = useNews(roomId, view, atBottom);
  useHoldPlace(scroller, view.messages[0]?.id ?? "");
  const toNewest = useCallback(() => {
    chat.places.toNewest(roomId);
    jump();
  }, [chat, roomId, jump]);
  useSent(waiting.unsent.length, toNewest);
  useTarget(scroller, roomId, view, leave);
  useArrival(scroller, roomId, view.hasLater, atBottom);
  useReading(roomId, view, atBottom);
  const people = useValue(chat.presence.people);
  const assistant = waiting.assistant?.name;
  const names = useMemo(() => ["ai", assistant ?? "ai", ...people.map((person) => person.name)], [assistant, people]);
  const empty = view.messages.every((message) => message.seq === 0) && waiting.unsent.length === 0;
  return (
    <div className={styles.frame}>
      {/* The answers' end is announced elsewhere: a log that speaks would read every word as it comes. */}
      <div className={`${styles.scroller} ${atBottom ? styles.following : ""}`} ref={scroller} role="log" aria-label={t("Conversation")} aria-live="off" aria-busy={view.status === "loading"} tabIndex={0}>
        <div className={styles.content} ref={content}>
          <MentionNames value={names}>
            {view.status === "ready" && view.hasMore && <Neighbours which="earlier" state={view.earlier} scroller={scroller} load={() => chat.rooms.loadEarlier(roomId)} />}
            {view.status === "loading" && view.messages.length === 0 && waiting.unsent.length === 0 && <LoadingRoom />}
            {view.status === "error" && <RoomFailed roomId={roomId} error={view.error} />}
            {view.status === "ready" && empty && <EmptyRoom roomId={roomId} />}
            {chunksOf(view.messages).map((chunk) => <ChunkRows key={chunk.key} chunk={chunk} newAfter={view.newAfter} />)}
            {view.status === "ready" && view.hasLater && <Neighbours which="later" state={view.later} scroller={scroller} load={() => chat.places.loadLater(roomId)} />}
            {waiting.unsent.map((entry) => <UnsentRow key={entry.clientMessageId} entry={entry} me={waiting.me} />)}
            {waiting.assistant && waiting.expected.map((each) => <ExpectedRow key={each.clientMessageId} author={waiting.assistant!} since={each.since} />)}
          </MentionNames>
        </div>
      </div>
      {view.status === "ready" && <NewAbove roomId={roomId} view={view} scroller={scroller} leave={leave} />}
      {!atBottom && (
        <button type="button" className={styles.pill} onClick={toNewest}>
          <Icon name="down" size={16} />
          {t("Jump to latest")}
          {news > 0 && <span className={styles.count}>{t("{count} new", { count: news })}</span>}
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
      {fresh && <p className={`${messageStyles.line} ${messageStyles.new}`} data-new>{t("New")}</p>}
      <MessageRow message={message} grouped={!day && !fresh && continues(message, above)} />
    </>
  );
}

function Day({ iso }: { iso: string }) {
  return <p className={messageStyles.line}>{useWords(iso, dayName)}</p>;
}

/** What I send stands at the end, and so do I. */
function useSent(unsent: number, toNewest: () => void): void {
  const last = useRef(0);
  useEffect(() => {
    if (unsent > last.current) toNewest();
    last.current = unsent;
  }, [unsent, toNewest]);
}

/** How many messages came since the reader left the bottom; far above it, where they are not here, how many are unread. */
function useNews(roomId: string, { messages, hasLater }: RoomView, atBottom: boolean): number {
  const { rooms } = useChat();
  const newest = useValue(rooms.list)?.find((room) => room.id === roomId)?.lastSeq ?? 0;
  const last = lastSeq(messages);
  const [left, setLeft] = useState(last);
  if (atBottom && !hasLater && left !== last) setLeft(last);
  if (hasLater) return Math.max(0, newest - Math.max(left, rooms.marks.read(roomId)));
  return atBottom ? 0 : messages.filter((message) => message.seq > left).length;
}

/** What is on the screen of somebody who is here counts as read. */
function useReading(roomId: string, view: RoomView, atBottom: boolean): void {
  const { rooms } = useChat();
  useEffect(() => {
    if (!atBottom || view.status !== "ready" || view.hasLater) return;
    rooms.trim(roomId);
    const read = () => document.visibilityState === "visible" && rooms.markRead(roomId);
    read();
    document.addEventListener("visibilitychange", read);
    return () => document.removeEventListener("visibilitychange", read);
  }, [rooms, roomId, view, atBottom]);
  useEffect(() => {
    const seen = () => rooms.seen(roomId, document.visibilityState === "visible");
    document.addEventListener("visibilitychange", seen);
    return () => document.removeEventListener("visibilitychange", seen);
  }, [rooms, roomId]);
}

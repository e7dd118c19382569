import { useEffect, useState, type RefObject } from "react";
import { useChat } from "../chat";
import { plural, t } from "../language/language";
import { lastSeq, type RoomView } from "../rooms/room-view";
import { Icon } from "../ui/Icon";
import styles from "./timeline.module.css";

interface Props {
  roomId: string;
  view: RoomView;
  scroller: RefObject<HTMLElement | null>;
  /** The view does not follow its end any more. */
  leave(): void;
}

/** The way up to the first unread message, until it has been on the screen. */
export function NewAbove({ roomId, view, scroller, leave }: Props) {
  const chat = useChat();
  const { newAfter, messages, hasMore } = view;
  const [seen, setSeen] = useState<number | null>(null);
  const [above, setAbove] = useState(false);
  const first = messages.find((message) => message.seq > 0)?.seq ?? 0;
  // The line stands above the oldest message that is here, as long as older unread ones are not.
  const whole = !hasMore || (newAfter !== null && first <= newAfter + 1);
  useEffect(() => {
    const line = scroller.current?.querySelector("[data-new]");
    if (!line) return;
    const watch = new IntersectionObserver(
      ([entry]) => {
        if (entry?.isIntersecting && whole) setSeen(newAfter);
        setAbove(entry !== undefined && (!entry.isIntersecting || !whole) && entry.boundingClientRect.top < (entry.rootBounds?.bottom ?? 0));
      },
      { root: scroller.current },
    );
    watch.observe(line);
    return () => watch.disconnect();
  }, [scroller, newAfter, messages, whole]);
  if (newAfter === null || seen === newAfter || !above || view.hasLater) return null;
  const go = async () => {
    leave();
    await chat.rooms.loadBack(roomId, newAfter + 1);
    const target = chat.rooms.view(roomId).value.messages.find((message) => message.seq > newAfter);
    if (target) await chat.places.jump({ roomId, messageId: target.id, words: [] });
    setSeen(newAfter);
  };
  const count = lastSeq(messages) - newAfter;
  return (
    <button type="button" className={`${styles.pill} ${styles.top}`} aria-label={plural(count, "Jump to the first of 1 new messages", "Jump to the first of {count} new messages")} onClick={() => void go()}>
      <span className={styles.up}><Icon name="down" size={16} /></span>
      {t("{count} new", { count })}
    </button>
  );
}

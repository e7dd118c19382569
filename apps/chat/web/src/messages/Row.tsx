import type { ReactNode } from "react";
import { nameOf } from "../answers/names";
import type { Person } from "../connection/contract";
import { Avatar } from "../ui/Avatar";
import { useWords } from "../ui/use-now";
import { clockTime, exactTime, relativeTime } from "./dates";
import styles from "./message.module.css";

interface RowProps {
  /** Of a message that the server has: links and searches lead to it. */
  id?: string;
  author: Person;
  sentAt: string;
  grouped?: boolean;
  /** A few quiet words behind the name. */
  note?: ReactNode;
  state?: string | undefined;
  menu?: ReactNode;
  children: ReactNode;
}

/** The frame all messages share: who, when, and what. */
export function Row({ id, author, sentAt, grouped = false, note, state, menu, children }: RowProps) {
  return (
    <article className={`${styles.row} ${grouped ? "" : styles.first}`} data-message={id} data-kind={author.kind} data-answer-state={state}
      aria-label={`${nameOf(author)}, ${clockTime(sentAt)}`}>
      <div className={styles.side}>
        {grouped ? <span className={styles["hidden-time"]}>{clockTime(sentAt)}</span> : <Avatar person={author} />}
      </div>
      <div>
        {!grouped && (
          <div className={styles.head}>
            <span className={styles.author}>{nameOf(author)}</span>
            <Time iso={sentAt} />
            {note && <span className={styles.note}>{note}</span>}
          </div>
        )}
        {children}
      </div>
      {menu}
    </article>
  );
}

function Time({ iso }: { iso: string }) {
  const words = useWords(iso, relativeTime);
  return (
    <time className={styles.time} dateTime={iso} title={exactTime(iso)}>
      {words}
    </time>
  );
}

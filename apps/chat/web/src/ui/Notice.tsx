import { useEffect } from "react";
import { IconButton } from "./buttons";
import styles from "./notice.module.css";
import { useValue, type Store } from "./store";

const SHOWN_FOR = 8_000;

/** One sentence about something that did not work; goes by itself. */
export function Notice({ notice }: { notice: Store<string | null> }) {
  const text = useValue(notice);
  useEffect(() => {
    if (text === null) return;
    const timer = setTimeout(() => notice.set(null), SHOWN_FOR);
    return () => clearTimeout(timer);
  }, [notice, text]);
  return (
    <div role="alert" className={styles.place}>
      {text !== null && (
        <div className={styles.notice}>
          <span>{text}</span>
          <IconButton icon="close" label="Dismiss" onClick={() => notice.set(null)} />
        </div>
      )}
    </div>
  );
}

import { useEffect } from "react";
import type { Notice as Said } from "../chat";
import { t } from "../language/language";
import { IconButton } from "./buttons";
import styles from "./notice.module.css";
import { useValue, type Store } from "./store";

const SHOWN_FOR = 8_000;

/** One sentence above everything; goes by itself. */
export function Notice({ notice }: { notice: Store<Said | null> }) {
  const said = useValue(notice);
  useEffect(() => {
    if (said === null) return;
    const timer = setTimeout(() => notice.set(null), SHOWN_FOR);
    return () => clearTimeout(timer);
  }, [notice, said]);
  return (
    <div role="alert" className={styles.place}>
      {said && (
        <div className={`${styles.notice} ${styles[said.tone]}`}>
          <span>{said.text}</span>
          <IconButton icon="close" label={t("Dismiss")} onClick={() => notice.set(null)} />
        </div>
      )}
    </div>
  );
}

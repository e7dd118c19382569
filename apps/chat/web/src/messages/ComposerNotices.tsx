import type { Assistant } from "../connection/contract";
import { t } from "../language/language";
import styles from "./composer.module.css";

/** What is good to know before a question is sent. */
export function ComposerNotices({ assistant, obstacle }: { assistant: Assistant | null; obstacle: string | null }) {
  return (
    <>
      <div role="status">{obstacle && <p className={`${styles.notice} ${styles.obstacle}`}>{obstacle}</p>}</div>
      {assistant && assistant.state !== "ready" && (
        <p className={styles.notice}>
          {t(assistant.state === "starting" ? "{name} is getting ready" : "{name} is not available", { name: assistant.name })}
          {assistant.detail && ` · ${assistant.detail}`}
        </p>
      )}
    </>
  );
}

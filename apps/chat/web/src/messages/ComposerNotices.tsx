import type { Assistant } from "../connection/contract";
import styles from "./composer.module.css";

/** What is good to know before a question is sent. */
export function ComposerNotices({ assistant, obstacle }: { assistant: Assistant | null; obstacle: string | null }) {
  return (
    <>
      <div role="status">{obstacle && <p className={`${styles.notice} ${styles.obstacle}`}>{obstacle}</p>}</div>
      {assistant && assistant.state !== "ready" && (
        <p className={styles.notice}>
          {assistant.state === "starting" ? `${assistant.name} is getting ready` : `${assistant.name} is not available`}
          {assistant.detail && ` · ${assistant.detail}`}
        </p>
      )}
    </>
  );
}

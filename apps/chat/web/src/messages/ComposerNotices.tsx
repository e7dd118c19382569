import { assistantName } from "../answers/names";
import type { Assistant, Model } from "../connection/contract";
import { t } from "../language/language";
import styles from "./composer.module.css";

interface Props {
  assistant: Assistant | null;
  /** Why the question is not answered. */
  obstacle: string | null;
  /** The model that does not see the pictures of the question. */
  blind: Model | null;
}

/** What is good to know before a question is sent. */
export function ComposerNotices({ assistant, obstacle, blind }: Props) {
  return (
    <>
      <div role="status">{obstacle && <p className={`${styles.notice} ${styles.obstacle}`}>{obstacle}</p>}</div>
      {blind && <p role="status" className={styles.notice}>{t("{name} sees no pictures: it is told only their names.", { name: blind.name })}</p>}
      {assistant && assistant.state !== "ready" && (
        <p className={styles.notice}>
          {t(assistant.state === "starting" ? "{name} is getting ready" : "{name} is not available", { name: assistantName(assistant.name) })}
          {assistant.detail && ` · ${assistant.detail}`}
        </p>
      )}
    </>
  );
}

import { Markdown } from "../answers/Markdown";
import { useChat } from "../chat";
import type { Person } from "../connection/contract";
import { t } from "../language/language";
import { Button } from "../ui/buttons";
import { Icon } from "../ui/Icon";
import { useStore } from "../ui/store";
import { Folded } from "./Folded";
import { MessageFiles } from "./MessageFiles";
import styles from "./message.module.css";
import type { Unsent } from "./outbox";
import { Quoted } from "./Quoted";
import { Row } from "./Row";

/** A message the server does not have yet: grey, and it says why. */
export function UnsentRow({ entry, me }: { entry: Unsent; me: Person }) {
  const chat = useChat();
  const live = useStore(chat.connection.state, isLive);
  const edit = () => {
    const taken = chat.outbox.takeBack(entry.clientMessageId);
    if (taken) chat.handBack.set(taken);
  };
  return (
    <div className={styles.unsent}>
      <Row author={me} sentAt={entry.createdAt}>
        <Quoted roomId={entry.roomId} quote={entry.quote} />
        <Folded text={entry.text}><Markdown text={entry.text} breaks /></Folded>
        <MessageFiles files={entry.files} />
        {entry.state === "failed" && (
          <div className={styles.state}>
            <span className={styles.failed}>
              <Icon name="warning" size={14} />
              {t("Not sent: {error}", { error: entry.error ?? "" })}
            </span>
            <Button look="link" onClick={() => chat.outbox.retry(entry.clientMessageId)}>{t("Try again")}</Button>
            <Button look="link" onClick={edit}>{t("Edit")}</Button>
          </div>
        )}
        {entry.state === "waiting" && !live && (
          <div className={styles.state}>
            <span>
              <Icon name="clock" size={14} />
              {t("Goes out when the connection is back")}
            </span>
            <Button look="link" onClick={edit}>{t("Take back")}</Button>
          </div>
        )}
      </Row>
    </div>
  );
}

function isLive(state: { phase: string }): boolean {
  return state.phase === "live";
}

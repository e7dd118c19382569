import { ownName } from "../answers/names";
import { useChat } from "../chat";
import { msg, t } from "../language/language";
import { titleOf } from "../rooms/title";
import { Button } from "../ui/buttons";
import { Icon } from "../ui/Icon";
import { Skeleton } from "../ui/Skeleton";
import { useValue } from "../ui/store";
import styles from "./timeline.module.css";

const WIDTHS = [62, 88, 40, 75, 54, 92];

export function LoadingRoom() {
  return (
    <div role="img" aria-label={t("Loading the conversation")}>
      {WIDTHS.map((width) => <Skeleton key={width} avatar lines={[24, width]} />)}
    </div>
  );
}

export function RoomFailed({ roomId, error }: { roomId: string; error: string | null }) {
  const chat = useChat();
  return (
    <div className={styles.empty}>
      <Icon name="warning" size={32} />
      <h2>{t("This room could not be opened")}</h2>
      <p>{error} {t("Try again, or choose another room.")}</p>
      <div className={styles.actions}>
        <Button look="primary" onClick={() => void chat.rooms.retry(roomId)}>{t("Retry")}</Button>
      </div>
    </div>
  );
}

const QUESTIONS = [msg("Explain quantum physics in three sentences"), msg("Write a haiku about an open line"), msg("Show a hello-world in Python")];

export function EmptyRoom({ roomId }: { roomId: string }) {
  const chat = useChat();
  const room = useValue(chat.rooms.list)?.find((each) => each.id === roomId);
  const name = ownName(useValue(chat.assistant));
  if (room?.isArchived) {
    return (
      <div className={styles.empty}>
        <Icon name="spark" size={32} />
        <h2>{t("Nothing is left to read in {name}", { name: titleOf(room) })}</h2>
        <p>{t("It was archived empty, or its messages have been deleted since.")}</p>
      </div>
    );
  }
  return (
    <div className={styles.empty}>
      <Icon name="spark" size={32} />
      <h2>{room?.isConversation ? t("What would you like to know?") : room?.isPair ? t("Write to {name}", { name: titleOf(room) }) : room ? t("{name} is quiet", { name: titleOf(room) }) : t("This room is quiet")}</h2>
      {room?.isConversation
        ? <p>{name ? t("{name} answers everything that you write here. Only you see it.", { name }) : t("The assistant answers everything that you write here. Only you see it.")}</p>
        : room?.isPair
        ? <p>{t("Only you and {name} see what is written here.", { name: titleOf(room) })}</p>
        : <p>{name ? t("Write the first message below, or ask {name}: everybody here sees the answer grow.", { name }) : t("Write the first message below, or ask the assistant: everybody here sees the answer grow.")}</p>}
      {!room?.isPair && <div className={styles.suggestions}>
        {QUESTIONS.map((question) => (
          <button type="button" key={question} onClick={() => chat.send(roomId, t(question), true)}>{t(question)}</button>
        ))}
      </div>}
    </div>
  );
}

import type { Room } from "../connection/contract";
import { t } from "../language/language";
import { Icon } from "../ui/Icon";
import styles from "./rooms.module.css";

/** What stands before a room's name: a lock before private ones. */
export function RoomSign({ room }: { room: Room }) {
  if (room.isConversation) return <span className={styles.lock} title={t("Only you see this conversation")}><Icon name="spark" size={14} /></span>;
  if (room.isPair) return <span className={styles.lock} title={t("Only the two of you see this conversation")}><Icon name="people" size={14} /></span>;
  if (!room.isPrivate) return <span className={styles.hash} aria-hidden="true">#</span>;
  return (
    <span className={styles.lock} title={t("Private: only its members see it")}>
      <Icon name="lock" size={14} />
      <span className="visually-hidden">{t("Private room")}</span>
    </span>
  );
}

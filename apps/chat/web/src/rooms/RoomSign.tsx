import type { Room } from "../connection/contract";
import { Icon } from "../ui/Icon";
import styles from "./rooms.module.css";

/** What stands before a room's name: a lock before private ones. */
export function RoomSign({ room }: { room: Room }) {
  if (!room.isPrivate) return <span className={styles.hash} aria-hidden="true">#</span>;
  return (
    <span className={styles.lock} title="Private: only its members see it">
      <Icon name="lock" size={14} />
      <span className="visually-hidden">Private room</span>
    </span>
  );
}

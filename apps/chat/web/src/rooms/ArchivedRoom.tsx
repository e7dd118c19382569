import { useChat } from "../chat";
import { t } from "../language/language";
import composer from "../messages/composer.module.css";
import type { Room } from "../connection/contract";
import { Button } from "../ui/buttons";
import { useValue } from "../ui/store";
import { mayRule } from "./RoomSettings";
import { titleOf } from "./title";
import styles from "./rooms.module.css";

/** Stands where the composer is in a room that is only read. */
export function ArchivedRoom({ room }: { room: Room }) {
  const chat = useChat();
  const me = useValue(chat.me);
  const open = () => void chat.attempt(t("{name} could not be opened again", { name: titleOf(room) }), () => chat.rooms.archive(room.id, false));
  return (
    <div className={composer.wrap}>
      <p className={styles.archived} role="status">
        <span>{room.isPair ? t("{name} is gone: what was said can be read.", { name: titleOf(room) }) : t("This room is archived: it can be read, and nothing new can be written.")}</span>
        {mayRule(room, me) && !room.isPair && <Button look="link" onClick={open}>{t("Open again")}</Button>}
      </p>
    </div>
  );
}

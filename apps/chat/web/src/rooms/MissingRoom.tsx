import { useEffect, useState } from "react";
import { useChat } from "../chat";
import type { RoomState } from "../connection/contract";
import { msg, t } from "../language/language";
import { Button } from "../ui/buttons";
import { Icon } from "../ui/Icon";
import { useValue } from "../ui/store";
import styles from "../messages/timeline.module.css";
import { titleOf } from "./title";

const WORDS: Record<RoomState, [title: string, text: string]> = {
  private: [msg("This room is private"), msg("Only its members can read it. Somebody who is in it can add you.")],
  gone: [msg("This room is not there"), msg("It may have been deleted, or the link is not whole.")],
  open: [msg("This room is not there yet"), msg("It will be shown when the page has heard of it.")],
};
const UNKNOWN = [msg("This room is not there, or not yours"), msg("It may have been deleted, or be private. Somebody who is in it can add you.")] as const;

/** The address names a room that this person cannot see: the server knows why, and no other room is shown instead. */
export function MissingRoom({ roomId }: { roomId: string }) {
  const chat = useChat();
  const first = useValue(chat.rooms.list)?.[0];
  const [why, setWhy] = useState<RoomState | null>(null);
  useEffect(() => {
    let asked = true;
    const known = (state: RoomState | null) => asked && setWhy(state);
    chat.connection.invoke<RoomState>("RoomState", roomId).then(known, () => known(null));
    return () => void (asked = false);
  }, [chat, roomId]);
  const [title, text] = why === null ? UNKNOWN : WORDS[why];
  return (
    <div className={styles.empty}>
      <Icon name={why === "gone" ? "search" : "lock"} size={32} />
      <h2>{t(title)}</h2>
      <p>{t(text)}</p>
      {first && (
        <div className={styles.actions}>
          <Button look="primary" onClick={() => void chat.rooms.show(first.id)}>{t("Go to {name}", { name: titleOf(first) })}</Button>
        </div>
      )}
    </div>
  );
}

import { useState } from "react";
import { useChat } from "../chat";
import type { Room } from "../connection/contract";
import { t } from "../language/language";
import { Button } from "../ui/buttons";
import { Dialog } from "../ui/Dialog";
import form from "../ui/form.module.css";
import styles from "./details.module.css";
import { RoomSettings } from "./RoomSettings";
import { titleOf } from "./title";

type Asked = "settings" | "archive" | "delete" | null;

/** What owners and administrators do to a room: change it, archive it, delete it. */
export function RoomRule({ room }: { room: Room }) {
  const chat = useChat();
  const [asked, setAsked] = useState<Asked>(null);
  const close = () => setAsked(null);
  const open = () => void chat.attempt(t("{name} could not be opened again", { name: titleOf(room) }), () => chat.rooms.archive(room.id, false));
  return (
    <section className={styles.rule}>
      <h3>{t("This room")}</h3>
      {!room.isPair && <Button look="link" onClick={() => setAsked("settings")}>{t("Change the settings…")}</Button>}
      {room.isArchived && !room.isPair && <Button look="link" onClick={open}>{t("Open again")}</Button>}
      {!room.isArchived && <Button look="link" onClick={() => setAsked("archive")}>{t("Archive…")}</Button>}
      <Button look="link" style={{ color: "var(--danger)" }} onClick={() => setAsked("delete")}>{t("Delete…")}</Button>
      {asked === "settings" && <RoomSettings room={room} onClose={close} />}
      {asked === "archive" && (
        <Sure title={t("Archive {name}?", { name: titleOf(room) })} text={t("Everybody can go on reading it, and nobody can write in it. It moves to the archived rooms, and you can open it again.")}
          action={t("Archive")} onClose={close} onSure={() => void chat.attempt(t("{name} could not be archived", { name: titleOf(room) }), () => chat.rooms.archive(room.id, true))} />
      )}
      {asked === "delete" && (
        <Sure title={t("Delete {name}?", { name: titleOf(room) })} text={t("Everything that was said in it is deleted too, for everybody and for good. To keep it for reading, archive it instead.")}
          action={t("Delete room")} dangerous onClose={close} onSure={() => void chat.attempt(t("{name} could not be deleted", { name: titleOf(room) }), () => chat.rooms.remove(room.id))} />
      )}
    </section>
  );
}

/** Who rules the room, for those who do not. */
export function Rulers({ room }: { room: Room }) {
  const owned = (room.owners ?? []).length > 0;
  return (
    <section>
      <h3>{t("This room")}</h3>
      <p>{t(owned ? "Its owner and administrators can change, archive and delete it." : "Administrators can change, archive and delete it.")}</p>
    </section>
  );
}

interface SureProps {
  title: string;
  text: string;
  action: string;
  dangerous?: boolean;
  onClose(): void;
  onSure(): void;
}

/** Asks before something that cannot be undone. */
export function Sure({ title, text, action, dangerous = false, onClose, onSure }: SureProps) {
  return (
    <Dialog title={title} onClose={onClose}>
      <p>{text}</p>
      <div className={form.buttons}>
        <Button onClick={onClose}>{t("Cancel")}</Button>
        <Button look={dangerous ? "danger" : "primary"} onClick={() => (onClose(), onSure())}>{action}</Button>
      </div>
    </Dialog>
  );
}

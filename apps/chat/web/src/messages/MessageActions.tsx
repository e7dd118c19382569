import { useState } from "react";
import { ownerOf } from "../answers/asked";
import { useChat } from "../chat";
import { isRunning, type Message } from "../connection/contract";
import { t } from "../language/language";
import { mayRule } from "../rooms/RoomSettings";
import { Button, IconButton } from "../ui/buttons";
import { Dialog } from "../ui/Dialog";
import form from "../ui/form.module.css";
import type { MenuItem } from "../ui/Menu";
import { useStore, useValue } from "../ui/store";
import { isMine } from "./editing";
import styles from "./message.module.css";
import { MessageMenu } from "./MessageMenu";
import { ReactButton } from "./Reactions";

/** The menu of a message, with what this person may do to it. */
export function MessageActions({ message }: { message: Message }) {
  const chat = useChat();
  const me = useValue(chat.me);
  const room = useValue(chat.rooms.list)?.find((each) => each.id === message.roomId);
  const owner = useStore(chat.rooms.view(message.roomId), (view) => ownerOf(view.messages, message));
  const [asked, setAsked] = useState(false);
  const items: MenuItem[] = [];
  const open = room !== undefined && !room.isArchived && !message.isDeleted && message.seq > 0;
  const reply = () => {
    chat.replies.begin(message);
    document.querySelector<HTMLElement>("main textarea[data-composer]")?.focus();
  };
  const { id, name, kind } = message.author;
  if (kind === "person" && id !== me.id && !room?.isPair) {
    items.push({ label: t("Message {name}", { name }), icon: "people", act: () => void chat.writeTo(id) });
  }
  if (open) {
    if (isMine(message, me.id)) items.push({ label: t("Edit"), icon: "pen", act: () => chat.editing.begin(message) });
    if ((owner === me.id || mayRule(room, me)) && !isRunning(message.answer)) {
      items.push({ label: t("Delete"), icon: "bin", danger: true, act: () => setAsked(true) });
    }
  }
  return (
    <>
      <span className={styles.menu}>
        {open && !isRunning(message.answer) && <ReactButton message={message} />}
        {open && <IconButton icon="reply" label={t("Reply")} onClick={reply} />}
        <MessageMenu roomId={message.roomId} messageId={message.id} text={kind === "person" ? message.text : ""} items={items} />
      </span>
      {asked && <Delete message={message} onClose={() => setAsked(false)} />}
    </>
  );
}

function Delete({ message, onClose }: { message: Message; onClose(): void }) {
  const chat = useChat();
  const remove = () => {
    onClose();
    void chat.attempt(t("The message could not be deleted"), () => chat.editing.remove(message.id));
  };
  return (
    <Dialog title={t(message.answer ? "Delete this answer?" : "Delete this message?")} onClose={onClose}>
      <p>{message.answer
          ? t("Its text is deleted for everybody and for good, with its earlier versions. A line says that something was here.")
          : t("Its text is deleted for everybody and for good. A line says that something was here.")}</p>
      <div className={form.buttons}>
        <Button onClick={onClose}>{t("Cancel")}</Button>
        <Button look="danger" onClick={remove}>{t("Delete")}</Button>
      </div>
    </Dialog>
  );
}

import { memo } from "react";
import { AnswerRow } from "../answers/AnswerRow";
import { Markdown } from "../answers/Markdown";
import { useChat } from "../chat";
import type { Message } from "../connection/contract";
import { said, t } from "../language/language";
import { useStore } from "../ui/store";
import { exactTime } from "./dates";
import { EditForm } from "./EditForm";
import { Folded } from "./Folded";
import { MessageActions } from "./MessageActions";
import { MessageFiles } from "./MessageFiles";
import styles from "./message.module.css";
import { Quoted } from "./Quoted";
import { Reactions } from "./Reactions";
import { Row } from "./Row";

/** One message of the room, whoever wrote it. */
export const MessageRow = memo(function MessageRow({ message, grouped }: { message: Message; grouped: boolean }) {
  if (message.kind === "system") return <p className={styles.system}>{said(message.text)}</p>;
  if (message.isDeleted) return <DeletedRow message={message} grouped={grouped} />;
  if (message.kind === "assistant") return <AnswerRow message={message} />;
  return <PersonRow message={message} grouped={grouped} />;
});

function PersonRow({ message, grouped }: { message: Message; grouped: boolean }) {
  const chat = useChat();
  const edited = useStore(chat.editing.edited, (edit) => (edit?.messageId === message.id ? edit.text : null));
  return (
    <Row id={message.id} menu={edited === null && <MessageActions message={message} />} author={message.author} sentAt={message.sentAt} grouped={grouped}>
      <Quoted roomId={message.roomId} quote={message.quote} />
      {edited === null ? <Folded text={message.text}><Markdown text={message.text} breaks /></Folded> : <EditForm message={message} text={edited} />}
      <MessageFiles files={message.files} />
      <Reactions message={message} />
      {edited === null && message.editedAt && <span className={styles.edited} title={exactTime(message.editedAt)}>{t("edited")}</span>}
    </Row>
  );
}

/** What is left of a message that was deleted. */
function DeletedRow({ message, grouped }: { message: Message; grouped: boolean }) {
  return (
    <Row id={message.id} author={message.author} sentAt={message.sentAt} grouped={grouped}>
      <p className={styles.deleted}>{t(message.kind === "assistant" ? "This answer was deleted." : "This message was deleted.")}</p>
    </Row>
  );
}

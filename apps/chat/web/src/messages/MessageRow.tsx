import { memo } from "react";
import { AnswerRow } from "../answers/AnswerRow";
import { Markdown } from "../answers/Markdown";
import type { Message } from "../connection/contract";
import styles from "./message.module.css";
import { Row } from "./Row";

/** One message of the room, whoever wrote it. */
export const MessageRow = memo(function MessageRow({ message, grouped }: { message: Message; grouped: boolean }) {
  if (message.kind === "system") return <p className={styles.system}>{message.text}</p>;
  if (message.kind === "assistant") return <AnswerRow message={message} />;
  return (
    <Row author={message.author} sentAt={message.sentAt} grouped={grouped}>
      <Markdown text={message.text} breaks />
    </Row>
  );
});

import { assistantName } from "../answers/names";
import { plainText } from "../answers/plain";
import { useChat } from "../chat";
import type { Quote } from "../connection/contract";
import { t } from "../language/language";
import { rich } from "../language/rich";
import { IconButton } from "../ui/buttons";
import { Icon } from "../ui/Icon";
import { useStore } from "../ui/store";
import styles from "./reply.module.css";

/** What a message replies to, above it; a click leads there. */
export function Quoted({ roomId, quote }: { roomId: string; quote: Quote | null | undefined }) {
  const chat = useChat();
  if (!quote) return null;
  if (quote.isDeleted) {
    return <p className={`${styles.quote} ${styles.gone}`}><Icon name="reply" size={14} />{" "}{t("The message was deleted.")}</p>;
  }
  return (
    <button type="button" className={styles.quote} title={t("Go to the message")} onClick={() => void chat.places.jump({ roomId, messageId: quote.id, words: [] })}>
      <Icon name="reply" size={14} />
      <span className="visually-hidden">{t("Replies to")}{" "}</span>
      <b>{nameIn(quote)}</b>
      <span className={styles.text} dir="auto">{plainText(quote.text)}</span>
    </button>
  );
}

/** What the message that is being written replies to. */
export function ReplyingTo({ roomId }: { roomId: string }) {
  const chat = useChat();
  const quote = useStore(chat.replies.rooms, (rooms) => rooms[roomId] ?? null);
  if (!quote) return null;
  return (
    <div className={styles.replying} role="group" aria-label={t("Reply")}>
      <Icon name="reply" size={16} />
      <p>{rich("Replying to {name}", { name: <b>{nameIn(quote)}</b> })} <span className={styles.text} dir="auto">{plainText(quote.text)}</span></p>
      <IconButton icon="close" label={t("Reply to nobody")} onClick={() => chat.replies.set(roomId, null)} />
    </div>
  );
}

function nameIn(quote: Quote): string {
  return quote.authorId === "assistant" ? assistantName(quote.authorName) : quote.authorName;
}

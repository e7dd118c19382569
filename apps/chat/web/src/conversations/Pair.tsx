import { useChat } from "../chat";
import type { Room } from "../connection/contract";
import { t } from "../language/language";
import { unread } from "../rooms/read-marks";
import rooms from "../rooms/rooms.module.css";
import { Avatar } from "../ui/Avatar";
import { Menu } from "../ui/Menu";
import { useValue } from "../ui/store";
import styles from "./conversations.module.css";

/** A conversation with another person, in the sidebar: who it is, whether they are there, and what is unread. */
export function Pair({ room, current, onShow }: { room: Room; current: boolean; onShow(): void }) {
  const chat = useChat();
  const me = useValue(chat.me);
  const marks = useValue(chat.rooms.marks.marks);
  const other = room.members.find((member) => member.id !== me.id);
  const online = (other?.devices ?? 0) > 0;
  const news = current ? 0 : unread(room, marks);
  return (
    <button type="button" className={`${rooms.room} ${news > 0 ? rooms.unread : ""}`} aria-current={current ? "page" : undefined} title={room.name} onClick={onShow}>
      <span className={styles.face}>
        <Avatar person={{ id: other?.id ?? room.id, name: room.name, kind: "person" }} size={20} />
        {online && <span className={styles.online} />}
      </span>
      <span className={`${rooms.name} ${styles.name} ${styles.whole} ${other ? "" : styles.left}`} dir="auto">{room.name}</span>
      <span className="visually-hidden">, {t(other ? (online ? "online" : "offline") : "gone")}</span>
      {news > 0 && <span className={`${rooms.badge} ${rooms.calls}`}>{news > 99 ? "99+" : news}<span className="visually-hidden">{" "}{t("unread")}</span></span>}
    </button>
  );
}

/** What can be done with a person who is listed somewhere. Nothing with oneself. */
export function PersonMenu({ person, onDone = () => undefined }: { person: { id: string; name: string }; onDone?(): void }) {
  const chat = useChat();
  const me = useValue(chat.me);
  if (person.id === me.id) return null;
  const write = async () => {
    await chat.writeTo(person.id);
    onDone();
  };
  return <Menu label={t("Actions for {name}", { name: person.name })} className={styles.person} items={[{ label: t("Message {name}", { name: person.name }), icon: "pen", act: () => void write() }]} />;
}

import { AccountMenu } from "../account/AccountMenu";
import { useChat } from "../chat";
import type { Overlay } from "../Rooms";
import { IconButton } from "../ui/buttons";
import { Icon } from "../ui/Icon";
import { Kbd, MOD } from "../ui/Kbd";
import { Logo } from "../ui/Logo";
import { Skeleton } from "../ui/Skeleton";
import { useValue } from "../ui/store";
import { unread } from "./read-marks";
import { RoomSign } from "./RoomSign";
import styles from "./rooms.module.css";

interface Props {
  onHide(): void;
  onOpen(overlay: Overlay): void;
  /** A room was chosen: a drawer closes. */
  onChosen(): void;
}

/** The left zone: the rooms, and me at the foot. */
export function RoomList({ onHide, onOpen, onChosen }: Props) {
  const chat = useChat();
  const rooms = useValue(chat.rooms.list);
  const active = useValue(chat.rooms.active);
  const marks = useValue(chat.rooms.marks.marks);
  const show = (roomId: string) => {
    void chat.rooms.show(roomId);
    onChosen();
  };
  return (
    <nav className={styles.side} aria-label="Sidebar">
      <div className={styles.brand}>
        <Logo />
        <span>Hubline</span>
        <IconButton icon="menu" label="Hide the sidebar" onClick={onHide} />
      </div>
      <button type="button" className={styles.find} onClick={() => onOpen("switcher")}>
        <Icon name="search" size={16} />
        Go to…
        <Kbd>{MOD}K</Kbd>
      </button>
      <div className={styles.title}>
        <h2 id="rooms-title">Rooms</h2>
        <IconButton icon="plus" label="New room" onClick={() => onOpen("new-room")} />
      </div>
      {rooms === null && <Loading />}
      {rooms?.length === 0 && <p className={styles.blank}>There is no room yet. Make the first one with the plus above.</p>}
      <ul className={styles.list} aria-labelledby="rooms-title">
        {rooms?.map((room) => {
          const news = room.id === active ? 0 : unread(room, marks);
          const draft = room.id !== active && chat.drafts.has(room.id);
          return (
            <li key={room.id}>
              <button type="button" className={`${styles.room} ${news > 0 ? styles.unread : ""}`} title={room.topic}
                aria-current={room.id === active ? "page" : undefined} onClick={() => show(room.id)}>
                <RoomSign room={room} />
                <span className={styles.name}>{room.name}</span>
                {draft && <span className={styles.draft}>draft</span>}
                {news > 0 && <span className={styles.badge}>{news > 99 ? "99+" : news}<span className="visually-hidden"> unread</span></span>}
                {news === 0 && room.people > 0 && <span className={styles.count}><Icon name="people" size={12} /> {room.people}<span className="visually-hidden"> here</span></span>}
              </button>
            </li>
          );
        })}
      </ul>
      <div className={styles.foot}>
        <AccountMenu onOpen={onOpen} />
      </div>
    </nav>
  );
}

function Loading() {
  return (
    <div className={styles.blank}>
      {[70, 55, 80].map((width) => <Skeleton key={width} lines={[width]} />)}
    </div>
  );
}

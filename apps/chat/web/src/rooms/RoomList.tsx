import { AccountMenu } from "../account/AccountMenu";
import { useChat } from "../chat";
import type { Room } from "../connection/contract";
import { plural, t } from "../language/language";
import type { Overlay } from "../Rooms";
import { Conversations } from "../conversations/Conversations";
import { IconButton } from "../ui/buttons";
import { Icon } from "../ui/Icon";
import { Kbd, mod } from "../ui/Kbd";
import { Logo } from "../ui/Logo";
import { Skeleton } from "../ui/Skeleton";
import { useStore, useValue } from "../ui/store";
import { byActivity } from "./order";
import { isAside, isListed } from "./pairs";
import { mentions, unread } from "./read-marks";
import { RoomSign } from "./RoomSign";
import styles from "./rooms.module.css";
import { titleOf, topicOf } from "./title";

interface Props {
  onHide(): void;
  onOpen(overlay: Overlay): void;
  /** A room was chosen: a drawer closes. */
  onChosen(): void;
}

/** The left zone: the rooms, and me at the foot. */
export function RoomList({ onHide, onOpen, onChosen }: Props) {
  const chat = useChat();
  const rooms = useStore(chat.rooms.list, inOrder);
  const active = useValue(chat.rooms.active);
  const marks = useValue(chat.rooms.marks.marks);
  const show = (roomId: string) => {
    void chat.rooms.show(roomId);
    onChosen();
  };
  const archived = rooms?.filter((room) => room.isArchived && !isAside(room)) ?? [];
  const entry = (room: Room) => {
    const news = room.id === active ? 0 : unread(room, marks);
    const calls = room.id === active ? 0 : mentions(room, marks);
    const draft = room.id !== active && chat.drafts.has(room.id);
    return (
      <li key={room.id}>
        <button type="button" className={`${styles.room} ${news > 0 ? styles.unread : ""}`} title={topicOf(room)}
          aria-current={room.id === active ? "page" : undefined} onClick={() => show(room.id)}>
          <RoomSign room={room} />
          <span className={styles.name}>{titleOf(room)}</span>
          {draft && <span className={styles.draft}>{t("draft")}</span>}
          {calls > 0 && <span className={`${styles.badge} ${styles.calls}`}><span aria-hidden="true">@</span>{calls > 99 ? "99+" : calls}<span className="visually-hidden"> {plural(calls, "mention", "mentions")}</span></span>}
          {news > 0 && <span className={styles.badge}>{news > 99 ? "99+" : news}<span className="visually-hidden">{" "}{t("unread")}</span></span>}
          {news === 0 && room.people > 0 && <span className={styles.count}><Icon name="people" size={12} /> {room.people}<span className="visually-hidden">{" "}{t("here")}</span></span>}
        </button>
      </li>
    );
  };
  return (
    <nav className={styles.side} aria-label={t("Sidebar")}>
      <div className={styles.brand}>
        <Logo />
        <span>Hubline</span>
        <IconButton icon="menu" label={t("Hide the sidebar")} onClick={onHide} />
      </div>
      <div className={styles.ways}>
        <button type="button" className={styles.find} onClick={() => onOpen("switcher")}>
          {t("Go to…")}
          <Kbd>{mod()}K</Kbd>
        </button>
        <IconButton icon="search" label={t("Search messages")} aria-keyshortcuts="Control+Shift+F" onClick={() => onOpen("search")} />
      </div>
      <div className={styles.title}>
        <h2 id="rooms-title">{t("Rooms")}</h2>
        <IconButton icon="plus" label={t("New room")} onClick={() => onOpen("new-room")} />
      </div>
      {rooms === null && <Loading />}
      {rooms?.length === 0 && <p className={styles.blank}>{t("There is no room yet. Make the first one with the plus above.")}</p>}
      <div className={styles.lists}>
        <ul className={styles.list} aria-labelledby="rooms-title">{rooms?.filter((room) => !room.isArchived && !isAside(room)).map(entry)}</ul>
        {archived.length > 0 && (
          <details className={styles.archive} open={archived.some((room) => room.id === active) || undefined}>
            <summary>{t("Archived")} · {archived.length}</summary>
            <ul className={styles.list} aria-label={t("Archived rooms")}>{archived.map(entry)}</ul>
          </details>
        )}
        {rooms && <Conversations list={rooms.filter((room) => isListed(room, active))} onChosen={onChosen} />}
      </div>
      <div className={styles.foot}>
        <AccountMenu onOpen={onOpen} />
      </div>
    </nav>
  );
}

function inOrder(rooms: readonly Room[] | null): readonly Room[] | null {
  return rooms && byActivity(rooms);
}

function Loading() {
  return (
    <div className={styles.blank}>
      {[70, 55, 80].map((width) => <Skeleton key={width} lines={[width]} />)}
    </div>
  );
}

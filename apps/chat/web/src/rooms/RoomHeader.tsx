import { useChat } from "../chat";
import { ConnectionStatus } from "../connection/ConnectionStatus";
import type { Room } from "../connection/contract";
import { plural, t } from "../language/language";
import { titleOf, topicOf } from "./title";
import { Avatar } from "../ui/Avatar";
import { IconButton } from "../ui/buttons";
import { Icon } from "../ui/Icon";
import { useValue } from "../ui/store";
import { mentions, unread } from "./read-marks";
import { RoomSign } from "./RoomSign";
import styles from "./header.module.css";

interface Props {
  room: Room | undefined;
  sideOpen: boolean;
  detailsOpen: boolean;
  onSide(): void;
  onDetails(): void;
}

/** Which room this is, who is here, and how the connection does. */
export function RoomHeader({ room, sideOpen, detailsOpen, onSide, onDetails }: Props) {
  return (
    <header className={styles.header}>
      {!sideOpen && <SideButton active={room?.id} onClick={onSide} />}
      <div className={styles.where}>
        <h1 title={room && titleOf(room)} dir="auto">{room ? <><RoomSign room={room} /> {titleOf(room)}</> : "Hubline Chat"}</h1>
        {room?.topic && <p title={topicOf(room)}>{topicOf(room)}</p>}
      </div>
      {room && <PeopleButton open={detailsOpen} onClick={onDetails} />}
      <ConnectionStatus />
    </header>
  );
}

/** Leads to the other rooms, and shows that something was said in them. */
function SideButton({ active, onClick }: { active: string | undefined; onClick(): void }) {
  const { list, marks } = useChat().rooms;
  const read = useValue(marks.marks);
  const others = useValue(list)?.filter((room) => room.id !== active) ?? [];
  const calls = others.reduce((sum, room) => sum + mentions(room, read), 0);
  const news = others.reduce((sum, room) => sum + unread(room, read), 0);
  const words = calls > 0 ? `${calls} ${plural(calls, "mention", "mentions")}` : news > 0 ? `${news} ${t("unread")}` : null;
  return (
    <span className={styles.opener}>
      <IconButton icon="menu" label={[t("Show the sidebar"), words].filter(Boolean).join(", ")} onClick={onClick} />
      {words && <span className={calls > 0 ? styles.calls : styles.news} aria-hidden="true">{calls > 0 && (calls > 9 ? "9+" : calls)}</span>}
    </span>
  );
}

function PeopleButton({ open, onClick }: { open: boolean; onClick(): void }) {
  const people = useValue(useChat().presence.people);
  return (
    <button type="button" className={styles.people} aria-label={t("Who is here: {count}", { count: people.length })} title={t("Who is here")} aria-expanded={open} onClick={onClick}>
      {people.length > 0 ? (
        <span className={styles.stack}>
          {people.slice(0, 3).map((person) => <Avatar key={person.id} person={person} size={24} />)}
        </span>
      ) : null}
      <Icon name="people" />
      {people.length}
    </button>
  );
}

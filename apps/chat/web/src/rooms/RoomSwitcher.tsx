import { useState, type KeyboardEvent } from "react";
import { useChat } from "../chat";
import type { Room } from "../connection/contract";
import { t } from "../language/language";
import { Dialog } from "../ui/Dialog";
import { Icon } from "../ui/Icon";
import { Kbd, mod } from "../ui/Kbd";
import { useValue } from "../ui/store";
import { byActivity } from "./order";
import { unread } from "./read-marks";
import { RoomSign } from "./RoomSign";
import styles from "./rooms.module.css";
import { titleOf, topicOf } from "./title";

/** Jump to a room by a few letters of its name. */
export function RoomSwitcher({ onClose, onSearch }: { onClose(): void; onSearch(): void }) {
  const chat = useChat();
  const marks = useValue(chat.rooms.marks.marks);
  const rooms = useValue(chat.rooms.list) ?? [];
  const [query, setQuery] = useState("");
  const [chosen, setChosen] = useState(0);
  const found = roomsFor(query, byActivity(rooms).filter((room) => !room.isPair || room.lastSeq > 0));
  const active = Math.min(chosen, found.length - 1);
  const go = (room: Room | undefined) => {
    if (!room) return;
    onClose();
    void chat.rooms.show(room.id);
  };
  const search = () => {
    onClose();
    chat.search.within(null);
    chat.search.type(query);
    onSearch();
  };
  const pressed = (event: KeyboardEvent) => {
    if (event.key === "ArrowDown") setChosen((active + 1) % Math.max(1, found.length));
    else if (event.key === "ArrowUp") setChosen((active + found.length - 1) % Math.max(1, found.length));
    else if (event.key === "Enter" && (event.ctrlKey || event.metaKey || found.length === 0) && query.trim() !== "") search();
    else if (event.key === "Enter") go(found[active]);
    else return;
    event.preventDefault();
  };
  return (
    <Dialog title={t("Go to a room")} onClose={onClose}>
      <input className={styles.search} role="combobox" aria-label={t("Find a room")} aria-expanded="true" aria-controls="found-rooms"
        aria-activedescendant={found[active] ? `found-${found[active].id}` : undefined} autoComplete="off" value={query}
        placeholder={t("Name of a room")} onKeyDown={pressed}
        onChange={(event) => {
          setQuery(event.target.value);
          setChosen(0);
        }} />
      <div id="found-rooms" role="listbox" aria-label={t("Found rooms")} className={styles.results}>
        {found.map((room, index) => (
          // The keys are handled by the search field, which keeps the focus.
          <div key={room.id} id={`found-${room.id}`} role="option" aria-selected={index === active} className={styles.result} onClick={() => go(room)}>
            <RoomSign room={room} />
            <span className={styles.found}>{titleOf(room)}</span>
            <small>{unread(room, marks) > 0 ? t("{count} unread", { count: unread(room, marks) }) : room.isArchived ? t("archived") : topicOf(room)}</small>
          </div>
        ))}
      </div>
      {found.length === 0 && <p className={styles.blank}>{t("No room has “{query}” in its name.", { query })}</p>}
      {query.trim() !== "" && (
        <button type="button" className={styles.instead} onClick={search}>
          <Icon name="search" size={16} />
          <span className={styles.found}>{t("Search messages for “{query}”", { query: query.trim() })}</span>
          <Kbd>{found.length === 0 ? t("Enter") : `${mod()}${t("Enter")}`}</Kbd>
        </button>
      )}
    </Dialog>
  );
}

/** Rooms with the query in their names; those that begin with it come first, archived ones last. */
export function roomsFor(query: string, rooms: readonly Room[]): Room[] {
  const wanted = query.trim().toLowerCase();
  const place = (room: Room) => titleOf(room).toLowerCase().indexOf(wanted);
  const order = (room: Room) => Number(place(room) > 0) + 2 * Number(room.isArchived ?? false);
  return rooms.filter((room) => place(room) >= 0).toSorted((a, b) => order(a) - order(b));
}

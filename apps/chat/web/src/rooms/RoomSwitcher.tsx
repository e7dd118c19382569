import { useState, type KeyboardEvent } from "react";
import { useChat } from "../chat";
import type { Room } from "../connection/contract";
import { Dialog } from "../ui/Dialog";
import { useValue } from "../ui/store";
import { unread } from "./read-marks";
import { RoomSign } from "./RoomSign";
import styles from "./rooms.module.css";

/** Jump to a room by a few letters of its name. */
export function RoomSwitcher({ onClose }: { onClose(): void }) {
  const chat = useChat();
  const marks = useValue(chat.rooms.marks.marks);
  const rooms = useValue(chat.rooms.list) ?? [];
  const [query, setQuery] = useState("");
  const [chosen, setChosen] = useState(0);
  const found = roomsFor(query, rooms);
  const active = Math.min(chosen, found.length - 1);
  const go = (room: Room | undefined) => {
    if (!room) return;
    onClose();
    void chat.rooms.show(room.id);
  };
  const pressed = (event: KeyboardEvent) => {
    if (event.key === "ArrowDown") setChosen((active + 1) % Math.max(1, found.length));
    else if (event.key === "ArrowUp") setChosen((active + found.length - 1) % Math.max(1, found.length));
    else if (event.key === "Enter") go(found[active]);
    else return;
    event.preventDefault();
  };
  return (
    <Dialog title="Go to a room" onClose={onClose}>
      <input className={styles.search} role="combobox" aria-label="Find a room" aria-expanded="true" aria-controls="found-rooms"
        aria-activedescendant={found[active] ? `found-${found[active].id}` : undefined} autoComplete="off" value={query}
        placeholder="Name of a room" onKeyDown={pressed}
        onChange={(event) => {
          setQuery(event.target.value);
          setChosen(0);
        }} />
      <div id="found-rooms" role="listbox" aria-label="Found rooms" className={styles.results}>
        {found.map((room, index) => (
          // The keys are handled by the search field, which keeps the focus.
          <div key={room.id} id={`found-${room.id}`} role="option" aria-selected={index === active} className={styles.result} onClick={() => go(room)}>
            <RoomSign room={room} />
            <span className={styles.found}>{room.name}</span>
            <small>{unread(room, marks) > 0 ? `${unread(room, marks)} unread` : room.topic}</small>
          </div>
        ))}
      </div>
      {found.length === 0 && <p className={styles.blank}>No room has “{query}” in its name.</p>}
    </Dialog>
  );
}

/** Rooms with the query in their names; those that begin with it come first. */
export function roomsFor(query: string, rooms: readonly Room[]): Room[] {
  const wanted = query.trim().toLowerCase();
  const place = (room: Room) => room.name.toLowerCase().indexOf(wanted);
  return rooms.filter((room) => place(room) >= 0).toSorted((a, b) => Number(place(a) > 0) - Number(place(b) > 0));
}

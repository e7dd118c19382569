import { useEffect, useRef, useState, type RefObject } from "react";
import { PasswordDialog } from "./account/PasswordDialog";
import { PeopleDialog } from "./account/PeopleDialog";
import { RemoveAccountDialog } from "./account/RemoveAccountDialog";
import { Announcer } from "./answers/Announcer";
import styles from "./app.module.css";
import { useChat } from "./chat";
import { ConnectionBar } from "./connection/ConnectionBar";
import { t } from "./language/language";
import { titleOf } from "./rooms/title";
import { Composer } from "./messages/Composer";
import { DropTarget } from "./messages/DropTarget";
import { LoadingRoom } from "./messages/Placeholders";
import { Timeline } from "./messages/Timeline";
import { Typing } from "./messages/Typing";
import { usePage } from "./page";
import { ArchivedRoom } from "./rooms/ArchivedRoom";
import { MissingRoom } from "./rooms/MissingRoom";
import { NewRoom } from "./rooms/NewRoom";
import { byActivity } from "./rooms/order";
import { unread } from "./rooms/read-marks";
import { RoomDetails } from "./rooms/RoomDetails";
import { RoomHeader } from "./rooms/RoomHeader";
import { RoomList } from "./rooms/RoomList";
import { RoomSwitcher } from "./rooms/RoomSwitcher";
import { Search } from "./search/Search";
import { Notice } from "./ui/Notice";
import { Shortcuts } from "./ui/Shortcuts";
import { useValue } from "./ui/store";
import { useSide } from "./ui/use-side";
import { useShortcuts } from "./ui/use-shortcuts";

export type Overlay = "switcher" | "search" | "shortcuts" | "new-room" | "password" | "remove-account" | "people";

/** The three zones. On narrow screens the outer two lie over the middle one. */
export function Rooms() {
  const chat = useChat();
  const language = useValue(usePage().language.spoken);
  const active = useValue(chat.rooms.active);
  const rooms = useValue(chat.rooms.list);
  const missing = useValue(chat.rooms.missing);
  const [overlay, setOverlay] = useState<Overlay | null>(null);
  const [details, setDetails] = useState(false);
  const side = useSide();
  const room = rooms?.find((each) => each.id === active);
  const sheet = details && side.sheet && room !== undefined;
  const drawer = side.open && side.drawer && !sheet;
  const covered = sheet || drawer;
  useTitle();
  useShortcuts({ find: () => setOverlay("switcher"), search: () => setOverlay("search"), list: () => setOverlay("shortcuts"), step: (by) => step(by) });
  const closeDrawer = () => side.drawer && side.set(false);
  const zones = useRef<HTMLDivElement>(null);
  useFocusOver(zones, drawer, "nav button", "main header button");
  useFocusOver(zones, sheet, "aside button", "main header [aria-expanded]");
  useEscape(covered, () => (details ? setDetails(false) : side.set(false)));

  function step(by: number): void {
    if (!rooms || rooms.length === 0) return;
    const near = byActivity(rooms).filter((each) => !each.isArchived || each.id === active);
    const at = near.findIndex((each) => each.id === active);
    const next = near[(at + by + near.length) % near.length];
    if (next) void chat.rooms.show(next.id);
  }

  return (
    <div className={styles.app} ref={zones}>
      {side.open && (
        <>
          <div className={styles.side} inert={sheet}>
            <RoomList onHide={() => side.set(false)} onOpen={setOverlay} onChosen={closeDrawer} />
          </div>
          <button type="button" className={`${styles.shade} ${styles["for-side"]}`} aria-label={t("Close the sidebar")} onClick={() => side.set(false)} />
        </>
      )}
      <main className={styles.main} inert={covered}>
        <RoomHeader room={room} sideOpen={side.open} detailsOpen={details} onSide={() => side.set(true)} onDetails={() => setDetails(!details)} />
        <ConnectionBar />
        {room ? (
          <>
            <Timeline key={`timeline ${room.id} ${language}`} roomId={room.id} />
            {room.isArchived ? <ArchivedRoom room={room} /> : (
              <>
                <Typing />
                <DropTarget key={`drop ${room.id}`} roomId={room.id} roomName={titleOf(room)} />
                <Composer key={`composer ${room.id}`} roomId={room.id} roomName={titleOf(room)} />
              </>
            )}
          </>
        ) : missing !== null ? (
          <MissingRoom key={missing} roomId={missing} />
        ) : rooms?.length === 0 ? (
          <div className={styles.nothing}>{t("There is no room yet. Make one in the sidebar.")}</div>
        ) : (
          <div className={styles.loading}><LoadingRoom /></div>
        )}
      </main>
      {details && room && (
        <>
          <button type="button" className={`${styles.shade} ${styles["for-details"]}`} aria-label={t("Close the room details")} onClick={() => setDetails(false)} />
          <div className={styles.details}>
            <RoomDetails room={room} onClose={() => setDetails(false)} onWritten={() => side.sheet && setDetails(false)} />
          </div>
        </>
      )}
      <Opened overlay={overlay} onOpen={setOverlay} onClose={() => setOverlay(null)} onMade={closeDrawer} />
      <Notice notice={chat.notice} />
      <Announcer />
    </div>
  );
}

/** The dialog that is open; it stays when the zone it was opened from goes. */
function Opened({ overlay, onOpen, onClose, onMade }: { overlay: Overlay | null; onOpen(overlay: Overlay): void; onClose(): void; onMade(): void }) {
  switch (overlay) {
    case "switcher":
      return <RoomSwitcher onClose={onClose} onSearch={() => onOpen("search")} />;
    case "search":
      return <Search onClose={onClose} onChosen={onMade} />;
    case "shortcuts":
      return <Shortcuts onClose={onClose} />;
    case "new-room":
      return <NewRoom onClose={onClose} onMade={onMade} />;
    case "password":
      return <PasswordDialog onClose={onClose} />;
    case "remove-account":
      return <RemoveAccountDialog onClose={onClose} />;
    case "people":
      return <PeopleDialog onClose={onClose} />;
    case null:
      return null;
  }
}

/** The room and the number of unread messages in the browser's tab. */
function useTitle(): void {
  const chat = useChat();
  const rooms = useValue(chat.rooms.list);
  const active = useValue(chat.rooms.active);
  const marks = useValue(chat.rooms.marks.marks);
  useEffect(() => {
    const news = rooms?.reduce((sum, room) => sum + unread(room, marks), 0) ?? 0;
    const shown = rooms?.find((room) => room.id === active);
    const name = shown && titleOf(shown);
    document.title = `${news > 0 ? `(${news}) ` : ""}${name ? `${name} · ` : ""}Hubline Chat`;
  }, [rooms, active, marks]);
}

/** While a zone lies over the conversation its first button has the focus; afterwards the one that opened it. */
function useFocusOver(zones: RefObject<HTMLElement | null>, over: boolean, inside: string, opener: string): void {
  useEffect(() => {
    const page = zones.current;
    if (!over || !page) return;
    page.querySelector<HTMLElement>(inside)?.focus();
    return () => page.querySelector<HTMLElement>(opener)?.focus();
  }, [zones, over, inside, opener]);
}

function useEscape(when: boolean, close: () => void): void {
  useEffect(() => {
    if (!when) return;
    const pressed = (event: KeyboardEvent) => {
      if (event.key !== "Escape" || event.defaultPrevented || document.querySelector("dialog[open]")) return;
      event.preventDefault();
      close();
    };
    document.addEventListener("keydown", pressed);
    return () => document.removeEventListener("keydown", pressed);
  });
}

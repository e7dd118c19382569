import { useEffect, useId, useState, type KeyboardEvent } from "react";
import { nameOf } from "../answers/names";
import { useChat } from "../chat";
import type { Found, Room } from "../connection/contract";
import { plural, t } from "../language/language";
import { clockTime, dayName, exactTime } from "../messages/dates";
import rooms from "../rooms/rooms.module.css";
import { RoomSign } from "../rooms/RoomSign";
import { titleOf } from "../rooms/title";
import { Button } from "../ui/buttons";
import { Dialog } from "../ui/Dialog";
import { Icon } from "../ui/Icon";
import { Skeleton } from "../ui/Skeleton";
import { useValue } from "../ui/store";
import { useWords } from "../ui/use-now";
import { hitsOf, type SearchState } from "./search";
import styles from "./search.module.css";

/** Finds messages by their words, and goes to them. */
export function Search({ onClose, onChosen }: { onClose(): void; onChosen(): void }) {
  const chat = useChat();
  const state = useValue(chat.search.state);
  const [chosen, setChosen] = useState(0);
  const id = useId();
  const active = Math.min(chosen, state.found.length - 1);
  const go = (found: Found | undefined) => {
    if (!found) return;
    onClose();
    onChosen();
    void chat.places.jump({ roomId: found.roomId, messageId: found.messageId, words: hitsOf(found) });
  };
  const pressed = (event: KeyboardEvent) => {
    if (event.nativeEvent.isComposing) return;
    if (event.key === "ArrowDown") setChosen(Math.min(active + 1, state.found.length - 1));
    else if (event.key === "ArrowUp") setChosen(Math.max(active - 1, 0));
    else if (event.key === "Enter") chat.search.whenFound((found) => go(found[Math.max(active, 0)]));
    else return;
    event.preventDefault();
  };
  useEffect(() => () => chat.search.whenFound(null), [chat]);
  useEffect(() => {
    document.getElementById(`${id}-${active}`)?.scrollIntoView({ block: "nearest" });
  }, [id, active]);
  return (
    <Dialog title={t("Search messages")} wide onClose={onClose}>
      <input className={rooms.search} enterKeyHint="search" role="combobox" aria-label={t("Search messages")} aria-expanded={state.found.length > 0} aria-controls={`${id}-found`}
        aria-activedescendant={active >= 0 ? `${id}-${active}` : undefined} autoComplete="off" maxLength={200} dir="auto" value={state.query}
        placeholder={t("Words, or a “phrase”")} onKeyDown={pressed} onFocus={(event) => event.target.select()}
        onChange={(event) => {
          chat.search.type(event.target.value);
          setChosen(0);
        }} />
      <Scope roomId={state.roomId} />
      <div id={`${id}-found`} role="listbox" aria-label={t("Found messages")} aria-busy={state.status === "loading"} className={`${styles.found} ${state.status === "loading" ? styles.old : ""}`}>
        {state.found.map((found, index) => (
          // The keys are handled by the search field, which keeps the focus.
          <div key={found.messageId} id={`${id}-${index}`} role="option" aria-selected={index === active} className={styles.result} onClick={() => go(found)}>
            <FoundMessage found={found} />
          </div>
        ))}
      </div>
      <Outcome state={state} />
    </Dialog>
  );
}

/** All rooms, or the one that is open. */
function Scope({ roomId }: { roomId: string | null }) {
  const chat = useChat();
  const active = useValue(chat.rooms.active);
  const list = useValue(chat.rooms.list);
  const room = list?.find((each) => each.id === (roomId ?? active));
  if (!room) return null;
  return (
    <div className={styles.scope} role="group" aria-label={t("Where to search")}>
      <Button look="chip" aria-pressed={roomId === null} onClick={() => chat.search.within(null)}>{t("All rooms")}</Button>
      <Button look="chip" aria-pressed={roomId !== null} onClick={() => chat.search.within(room.id)}><span className={styles.name}>{t("Only {name}", { name: titleOf(room) })}</span></Button>
    </div>
  );
}

function FoundMessage({ found }: { found: Found }) {
  const chat = useChat();
  const room = useValue(chat.rooms.list)?.find((each) => each.id === found.roomId);
  const day = useWords(found.sentAt, dayName);
  return (
    <>
      <div className={styles.head}>
        <span className={styles.author}>{nameOf(found.author)}</span>
        {room && <Where room={room} />}
        <time dateTime={found.sentAt} title={exactTime(found.sentAt)}>{day}, {clockTime(found.sentAt)}</time>
      </div>
      {found.excerpt.some((part) => part !== "") && <p className={styles.excerpt} dir="auto"><Marked parts={found.excerpt} /></p>}
      {found.files?.map((parts, index) => (
        <p key={index} className={`${styles.excerpt} ${styles.file}`}><Icon name="file" size={14} /> <bdi><Marked parts={parts} /></bdi></p>
      ))}
    </>
  );
}

/** A text of which every second part is a hit. */
function Marked({ parts }: { parts: readonly string[] }) {
  return parts.map((part, index) => (index % 2 === 1 ? <mark key={index}>{part}</mark> : part));
}

function Where({ room }: { room: Room }) {
  return <span className={styles.room}><RoomSign room={room} /> {titleOf(room)}</span>;
}

/** What stands below the results, or in their place. */
function Outcome({ state }: { state: SearchState }) {
  const chat = useChat();
  const nothing = state.found.length === 0;
  return (
    <div className={styles.outcome} role="status">
      {state.status === "idle" && <p>{t("Search in everything that you can read, names of files too. Accents and large letters make no difference.")}</p>}
      {state.status === "loading" && nothing && <div aria-label={t("Searching")} role="img"><Skeleton lines={[40, 90]} /><Skeleton lines={[30, 70]} /></div>}
      {state.status === "ready" && nothing && <p>{t("No message has “{query}” in it. Try fewer words, or the beginning of a word.", { query: state.query.trim() })}</p>}
      {state.status === "ready" && !nothing && <p className="visually-hidden">{plural(state.found.length, "1 messages found", "{count} messages found")}</p>}
      {state.status === "error" && (
        <p className={styles.error}>
          <Icon name="warning" size={14} /> {t("The search did not work: {error}", { error: state.error ?? "" })} <Button look="link" onClick={() => chat.search.retry()}>{t("Retry")}</Button>
        </p>
      )}
      {state.status !== "error" && state.hasMore && <Button look="link" disabled={state.status === "loading"} onClick={() => void chat.search.more()}>{t("Show older ones")}</Button>}
    </div>
  );
}

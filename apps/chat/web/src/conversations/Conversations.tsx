import { useState } from "react";
import { useChat } from "../chat";
import { sentence } from "../connection/errors";
import type { Room } from "../connection/contract";
import { msg, t } from "../language/language";
import { Sure } from "../rooms/RoomRule";
import { NAME_LIMIT } from "../rooms/NewRoom";
import { unread } from "../rooms/read-marks";
import rooms from "../rooms/rooms.module.css";
import { Button, IconButton } from "../ui/buttons";
import { Dialog } from "../ui/Dialog";
import { Field } from "../ui/Field";
import form from "../ui/form.module.css";
import { Icon } from "../ui/Icon";
import { Menu } from "../ui/Menu";
import { useValue } from "../ui/store";
import styles from "./conversations.module.css";
import { Pair } from "./Pair";
import { titleOf } from "../rooms/title";
import { stateOf } from "./working";

const SHOWN = 8;

/** The second part of the sidebar: what I talk about with the assistant alone, or with one person. */
export function Conversations({ list, onChosen }: { list: readonly Room[]; onChosen(): void }) {
  const chat = useChat();
  const active = useValue(chat.rooms.active);
  const [query, setQuery] = useState("");
  const [asked, setAsked] = useState<{ what: "rename" | "delete"; room: Room } | null>(null);
  const wanted = query.trim().toLowerCase();
  const found = list.filter((room) => titleOf(room).toLowerCase().includes(wanted));
  const begin = () =>
    void chat.attempt(t("The conversation could not be begun"), async () => {
      const room = await chat.rooms.converse();
      await chat.rooms.show(room.id);
      onChosen();
    });
  return (
    <>
      <div className={`${rooms.title} ${styles.title}`}>
        <h2 id="conversations-title">{t("Conversations")}</h2>
        <IconButton icon="plus" label={t("New conversation with the assistant")} onClick={begin} />
      </div>
      {list.length === 0 && <p className={styles.none}>{t("Ask the assistant something that only you see, or write to one person from their menu in a room's details.")}</p>}
      {list.length > SHOWN && (
        <input className={styles.filter} type="text" aria-label={t("Find a conversation")} placeholder={t("Find a conversation")} autoComplete="off" value={query} onChange={(event) => setQuery(event.target.value)} />
      )}
      {found.length > 0 && <ul className={rooms.list} aria-labelledby="conversations-title">
        {found.map((room) => room.isPair ? (
          <li key={room.id}><Pair room={room} current={room.id === active} onShow={() => (void chat.rooms.show(room.id), onChosen())} /></li>
        ) : (
          <li key={room.id} className={styles.entry}>
            <Conversation room={room} current={room.id === active} onShow={() => (void chat.rooms.show(room.id), onChosen())} />
            <Menu label={t("Actions for {name}", { name: titleOf(room) })} className={styles.menu}
              items={[
                { label: t("Rename…"), icon: "pen", act: () => setAsked({ what: "rename", room }) },
                { label: t("Delete…"), icon: "close", danger: true, act: () => setAsked({ what: "delete", room }) },
              ]} />
          </li>
        ))}
      </ul>}
      {wanted !== "" && found.length === 0 && <p className={styles.none}>{t("No conversation has “{query}” in its title. What was said is found by searching messages.", { query: query.trim() })}</p>}
      {asked?.what === "rename" && <Rename room={asked.room} onClose={() => setAsked(null)} />}
      {asked?.what === "delete" && (
        <Sure title={t("Delete {name}?", { name: titleOf(asked.room) })} text={t("Your questions and the answers to them are gone for good.")} action={t("Delete")} dangerous onClose={() => setAsked(null)}
          onSure={() => void chat.attempt(t("The conversation could not be deleted"), () => chat.rooms.remove(asked.room.id))} />
      )}
    </>
  );
}

const WORDS = { working: msg("being answered"), waiting: msg("waiting"), unread: msg("answered, unread"), done: "" };

function Conversation({ room, current, onShow }: { room: Room; current: boolean; onShow(): void }) {
  const chat = useChat();
  const marks = useValue(chat.rooms.marks.marks);
  const work = useValue(chat.working.rooms).get(room.id);
  const state = stateOf(work, current, unread(room, marks) > 0);
  return (
    <button type="button" className={`${rooms.room} ${state === "unread" ? rooms.unread : ""}`} aria-current={current ? "page" : undefined} data-doing={state} title={titleOf(room)} onClick={onShow}>
      <span className={styles.sign} aria-hidden="true">
        {state === "done" ? <Icon name="spark" size={14} /> : state === "waiting" ? <Icon name="clock" size={14} /> : <span className={state === "working" ? styles.working : styles.dot} />}
      </span>
      <span className={`${rooms.name} ${styles.name}`} dir="auto">{titleOf(room)}</span>
      {WORDS[state] !== "" && <span className="visually-hidden">, {t(WORDS[state])}</span>}
    </button>
  );
}

function Rename({ room, onClose }: { room: Room; onClose(): void }) {
  const chat = useChat();
  const [name, setName] = useState(room.name);
  const [error, setError] = useState<string | null>(null);
  const save = () => chat.rooms.change(room.id, name.trim(), room.topic).then(onClose, (failure: unknown) => setError(sentence(failure)));
  return (
    <Dialog title={t("Rename the conversation")} onClose={onClose}>
      <form className={form.form}
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}>
        <Field label={t("Title")} value={name} error={error} maxLength={NAME_LIMIT} autoComplete="off" onChange={(event) => setName(event.target.value)} />
        <div className={form.buttons}>
          <Button onClick={onClose}>{t("Cancel")}</Button>
          <Button look="primary" type="submit" disabled={name.trim() === ""}>{t("Rename")}</Button>
        </div>
      </form>
    </Dialog>
  );
}

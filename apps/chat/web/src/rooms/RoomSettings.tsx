import { useState } from "react";
import { useChat } from "../chat";
import { sentence } from "../connection/errors";
import type { Me, Room } from "../connection/contract";
import { t } from "../language/language";
import { Button } from "../ui/buttons";
import { Dialog } from "../ui/Dialog";
import { Field } from "../ui/Field";
import fields from "../ui/field.module.css";
import form from "../ui/form.module.css";
import { useValue } from "../ui/store";
import { NAME_LIMIT } from "./NewRoom";
import { choices, days, retentionSentence } from "./retention";
import { titleOf, topicOf } from "./title";

const TOPIC_LIMIT = 200;
const PROMPT_LIMIT = 2_000;

/** Who may change, archive and delete a room. */
export function mayRule(room: Room, me: Me): boolean {
  return (me.role === "admin" && !room.isPair) || (room.owners ?? []).includes(me.id);
}

/** Name, topic, age of the messages and instructions of a room; only what was changed is sent. */
export function RoomSettings({ room, onClose }: { room: Room; onClose(): void }) {
  const chat = useChat();
  const server = useValue(chat.retentionDays);
  const [name, setName] = useState(titleOf(room));
  const [topic, setTopic] = useState(topicOf(room));
  const told = useValue(chat.rooms.view(room.id)).prompt;
  const [prompt, setPrompt] = useState(told);
  const [age, setAge] = useState(room.retentionDays ?? null);
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const shorter = age !== null && (room.retentionDays == null || age < room.retentionDays);
  const save = async () => {
    setBusy(true);
    setError(null);
    try {
      // What is shown in the reader's language stays as it is for everybody else, unless it was changed.
      const [wanted, about] = [name.trim() === titleOf(room) ? room.name : name.trim(), topic.trim() === topicOf(room) ? room.topic : topic.trim()];
      if (wanted !== room.name || about !== room.topic) await chat.rooms.change(room.id, wanted, about);
      if (age !== (room.retentionDays ?? null)) await chat.rooms.retain(room.id, age);
      if (prompt.trim() !== told) await chat.rooms.instruct(room.id, prompt.trim());
      onClose();
    } catch (failure) {
      setError(sentence(failure));
      setBusy(false);
    }
  };
  return (
    <Dialog title={t("Room settings")} onClose={onClose}>
      <form className={form.form}
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}>
        <Field label={t("Name of the room")} value={name} error={error} maxLength={NAME_LIMIT} autoComplete="off" onChange={(event) => setName(event.target.value)} />
        <Field label={t("Topic")} value={topic} maxLength={TOPIC_LIMIT} autoComplete="off" onChange={(event) => setTopic(event.target.value)} />
        <div className={fields.field}>
          <label htmlFor="retention">{t("Delete messages")}</label>
          <select id="retention" className={form.select} value={age ?? ""} onChange={(event) => setAge(event.target.value === "" ? null : Number(event.target.value))}>
            <option value="">{server === null ? t("never") : t("after {days}, as everywhere on this server", { days: days(server) })}</option>
            {choices(age).filter((count) => server === null || count < server || count === age).map((count) => <option key={count} value={count}>{t("after {days}", { days: days(count) })}</option>)}
          </select>
          {shorter && <p className={fields.hint} role="status">{retentionSentence(age)} {t("What is older now goes within ten minutes, for everybody and for good.")}</p>}
        </div>
        <div className={fields.field}>
          <label htmlFor="prompt">{t("Instructions for the assistant")}</label>
          <textarea id="prompt" className={`${form.select} ${form.lines}`} rows={4} dir="auto" value={prompt} maxLength={PROMPT_LIMIT} aria-describedby="prompt-hint"
            onChange={(event) => setPrompt(event.target.value)} />
          <p id="prompt-hint" className={fields.hint}>{t("It is told this before every question here. All who can see the room can read it.")}</p>
        </div>
        <div className={form.buttons}>
          <Button onClick={onClose}>{t("Cancel")}</Button>
          <Button look="primary" type="submit" disabled={busy || name.trim() === ""}>{t("Save")}</Button>
        </div>
      </form>
    </Dialog>
  );
}

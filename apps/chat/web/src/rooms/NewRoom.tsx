import { useState } from "react";
import { useChat } from "../chat";
import { sentence } from "../connection/errors";
import { t } from "../language/language";
import { Button } from "../ui/buttons";
import { Dialog } from "../ui/Dialog";
import { Field } from "../ui/Field";
import form from "../ui/form.module.css";
import { Icon } from "../ui/Icon";
import styles from "./rooms.module.css";

/** As long as the server lets it be. */
export const NAME_LIMIT = 40;

/** Makes a room, and shows it. */
export function NewRoom({ onClose, onMade }: { onClose(): void; onMade(): void }) {
  const chat = useChat();
  const [name, setName] = useState("");
  const [isPrivate, setPrivate] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const create = async () => {
    setBusy(true);
    try {
      const room = await chat.rooms.create(name.trim(), isPrivate);
      void chat.rooms.show(room.id);
      onMade();
      onClose();
    } catch (failure) {
      setError(sentence(failure));
      setBusy(false);
    }
  };
  return (
    <Dialog title={t("New room")} onClose={onClose}>
      <form className={form.form}
        onSubmit={(event) => {
          event.preventDefault();
          void create();
        }}>
        <Field label={t("Name of the room")} value={name} error={error} maxLength={NAME_LIMIT} autoComplete="off" onChange={(event) => setName(event.target.value)} />
        <label className={styles.private}>
          <input type="checkbox" checked={isPrivate} onChange={(event) => setPrivate(event.target.checked)} />
          <span>
            <Icon name="lock" size={14} />{" "}{t("Private: only people you add")}
            <small>{t("Nobody else sees the room, its name or what is said in it.")}</small>
          </span>
        </label>
        <div className={form.buttons}>
          <Button onClick={onClose}>{t("Cancel")}</Button>
          <Button look="primary" type="submit" disabled={busy || name.trim() === ""}>{t("Create")}</Button>
        </div>
      </form>
    </Dialog>
  );
}

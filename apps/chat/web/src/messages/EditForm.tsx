import { useEffect, useRef, useState, type KeyboardEvent } from "react";
import { askedBy } from "../answers/asked";
import { useChat } from "../chat";
import { ConnectionLost, sentence } from "../connection/errors";
import type { Message } from "../connection/contract";
import { t } from "../language/language";
import { Button } from "../ui/buttons";
import { useStore, useValue } from "../ui/store";
import { useGrown } from "../ui/use-grown";
import { askingOf } from "./asking";
import styles from "./edit.module.css";
import { excess } from "./outbox";

/** The focus does not get lost with the form. */
function toComposer(): void {
  requestAnimationFrame(() => {
    if (document.activeElement === document.body && !matchMedia("(pointer: coarse)").matches) {
      document.querySelector<HTMLElement>("main textarea[data-composer]")?.focus();
    }
  });
}

/** Stands in the place of a message of mine while I edit it. A question can be asked again with its new text. */
export function EditForm({ message, text }: { message: Message; text: string }) {
  const chat = useChat();
  const assistant = useValue(chat.assistant);
  const room = useValue(chat.rooms.list)?.find((each) => each.id === message.roomId);
  const answered = useStore(chat.rooms.view(message.roomId), (view) => askedBy(view.messages).has(message.id));
  const area = useRef<HTMLTextAreaElement>(null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const asks = answered || askingOf({ text, ask: false }, assistant?.name, room) !== null;
  const cannotSave = busy || (text.trim() === "" && !message.files?.length) || excess(text) > 0;
  useEffect(() => {
    area.current?.focus();
    area.current?.setSelectionRange(text.length, text.length);
    return toComposer; // only when it appears and goes
  }, []);
  useGrown(area, text);
  const save = async (askAgain: boolean) => {
    if (cannotSave) return;
    setBusy(true);
    setError(null);
    try {
      await chat.editing.save(askAgain);
    } catch (failure) {
      setError(failure instanceof ConnectionLost ? t("There is no connection. Save it again when it is back.") : sentence(failure));
    } finally {
      setBusy(false);
    }
  };
  const pressed = (event: KeyboardEvent) => {
    if (event.nativeEvent.isComposing) return;
    if (event.key === "Escape") chat.editing.cancel();
    else if (event.key === "Enter" && !event.shiftKey && !matchMedia("(pointer: coarse)").matches) void save(asks);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <form className={styles.form}
      onSubmit={(event) => {
        event.preventDefault();
        void save(asks);
      }}>
      <textarea ref={area} className={styles.text} rows={1} dir="auto" aria-label={t("Edit the message")} value={text} onKeyDown={pressed} onChange={(event) => chat.editing.write(event.target.value)} />
      {error && <p role="alert" className={styles.error}>{error}</p>}
      {excess(text) > 0 && <p role="alert" className={styles.error}>{t("It is too long by {over} characters.", { over: excess(text) })}</p>}
      <div className={styles.buttons}>
        <Button onClick={() => chat.editing.cancel()}>{t("Cancel")}</Button>
        {asks && <Button disabled={cannotSave} onClick={() => void save(false)}>{t("Save only")}</Button>}
        <Button look="primary" type="submit" disabled={cannotSave}>{t(asks ? "Save and ask again" : "Save")}</Button>
      </div>
    </form>
  );
}

import { useState } from "react";
import { useChat } from "../chat";
import { sentence } from "../connection/errors";
import { Button } from "../ui/buttons";
import { Dialog } from "../ui/Dialog";
import styles from "./rooms.module.css";

/** As long as the server lets it be. */
const NAME_LIMIT = 40;

export function NewRoom({ onClose, onMade }: { onClose(): void; onMade(roomId: string): void }) {
  const chat = useChat();
  const [name, setName] = useState("");
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const create = async () => {
    setBusy(true);
    try {
      onMade((await chat.rooms.create(name.trim())).id);
      onClose();
    } catch (failure) {
      setError(sentence(failure));
      setBusy(false);
    }
  };
  return (
    <Dialog title="New room" onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void create();
        }}>
        <label className={styles.field}>
          Name of the room
          <input value={name} maxLength={NAME_LIMIT} autoComplete="off" onChange={(event) => setName(event.target.value)} />
        </label>
        {error && <p className={styles.error} role="alert">{error}</p>}
        <div className={styles.buttons}>
          <Button onClick={onClose}>Cancel</Button>
          <Button look="primary" type="submit" disabled={busy || name.trim() === ""}>Create</Button>
        </div>
      </form>
    </Dialog>
  );
}

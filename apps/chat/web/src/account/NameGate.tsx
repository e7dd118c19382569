import { useState } from "react";
import { useChat } from "../chat";
import { Logo } from "../ui/Logo";
import { Button } from "../ui/buttons";
import { useValue } from "../ui/store";
import { cleanName, NAME_LIMIT } from "./account";
import styles from "./account.module.css";

/** The first screen: a name is all that is asked for. */
export function NameGate() {
  const chat = useChat();
  const { refusal } = useValue(chat.connection.state);
  const [name, setName] = useState(chat.account.lastName);
  const clean = cleanName(name);
  return (
    <main className={styles.gate}>
      <form className={styles.card}
        onSubmit={(event) => {
          event.preventDefault();
          if (clean) chat.signIn(clean);
        }}>
        <Logo size={48} />
        <h1>Hubline Chat</h1>
        <p>Rooms for people, and an assistant whose answers everybody sees grow word by word.</p>
        <label htmlFor="name">Your name</label>
        {/* The one field of this screen. */}
        <input id="name" autoFocus autoComplete="nickname" maxLength={NAME_LIMIT} value={name} placeholder="Ada"
          aria-describedby={refusal ? "refusal" : undefined} onChange={(event) => setName(event.target.value)} />
        {refusal && <p id="refusal" role="alert" className={styles.refusal}>{refusal}</p>}
        <Button look="primary" type="submit" disabled={!clean}>Join</Button>
        <small>No password. This browser remembers you.</small>
      </form>
    </main>
  );
}

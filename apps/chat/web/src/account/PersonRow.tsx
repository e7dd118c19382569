import { useState } from "react";
import { useChat } from "../chat";
import type { Role, Tier } from "../connection/contract";
import { sentence } from "../connection/errors";
import { usePage } from "../page";
import { Avatar } from "../ui/Avatar";
import { Button } from "../ui/buttons";
import { useValue } from "../ui/store";
import type { Account, Change } from "./api";
import { ROLES, TIERS } from "./names";
import { PasswordField } from "./PasswordField";
import styles from "./people.module.css";
import { PASSWORD_LENGTH, weakness } from "./refusals";

/** One account: what it may, what it has used, and a new password for it. Changes hold at once. */
export function PersonRow({ person, onChanged }: { person: Account; onChanged(person: Account): void }) {
  const chat = useChat();
  const { api } = usePage();
  const me = useValue(chat.me);
  const [said, setSaid] = useState<{ text: string; wrong: boolean } | null>(null);
  const [asking, setAsking] = useState(false);
  const [busy, setBusy] = useState(false);
  const change = async (what: Change, done: string) => {
    setBusy(true);
    setSaid(null);
    try {
      onChanged({ ...person, ...(await api.changePerson(person.id, what)) });
      setSaid({ text: done, wrong: false });
    } catch (error) {
      setSaid({ text: sentence(error), wrong: true });
    } finally {
      setBusy(false);
    }
  };
  return (
    <li className={styles.row} aria-busy={busy}>
      <Avatar person={{ ...person, kind: "person" }} size={32} />
      <div className={styles.name}>
        {person.name}
        {person.id === me.id && " (you)"}
        <small>{person.usedToday.toLocaleString("en")} tokens today · since {dayOf(person.createdAt)}</small>
      </div>
      <div className={styles.selects}>
        <Choice label={`Tier of ${person.name}`} value={person.tier} options={TIERS} disabled={busy}
          onChoose={(tier: Tier) => void change({ tier }, `${person.name} is ${TIERS[tier].toLowerCase()} now.`)} />
        <Choice label={`Role of ${person.name}`} value={person.role} options={ROLES} disabled={busy || person.role === "guest"}
          title={person.role === "guest" ? "Guests have no password; they become members by creating an account." : undefined}
          onChoose={(role: Role) => void change({ role }, `${person.name} is ${ROLES[role].toLowerCase()} now.`)} />
        {person.role !== "guest" && <Button look="link" aria-expanded={asking} onClick={() => setAsking(!asking)}>New password</Button>}
      </div>
      {said && <p role={said.wrong ? "alert" : "status"} className={said.wrong ? styles.wrong : styles.done}>{said.text}</p>}
      {asking && (
        <NewPassword name={person.name}
          onSet={(password) => {
            setAsking(false);
            void change({ password }, `${person.name} has a new password, and has to sign in with it.`);
          }} />
      )}
    </li>
  );
}

interface ChoiceProps<T extends string> {
  label: string;
  value: T;
  options: Record<T, string>;
  disabled: boolean;
  title?: string | undefined;
  onChoose(value: T): void;
}

function Choice<T extends string>({ label, value, options, onChoose, ...rest }: ChoiceProps<T>) {
  const names = Object.entries(options) as [T, string][];
  return (
    <select aria-label={label} value={value} onChange={(event) => onChoose(event.target.value as T)} {...rest}>
      {names.filter(([each]) => each !== "guest" || value === "guest").map(([each, name]) => <option key={each} value={each}>{name}</option>)}
    </select>
  );
}

function NewPassword({ name, onSet }: { name: string; onSet(password: string): void }) {
  const [password, setPassword] = useState("");
  const [error, setError] = useState<string | null>(null);
  return (
    <form className={styles.password} noValidate
      onSubmit={(event) => {
        event.preventDefault();
        const weak = weakness(password);
        if (weak) setError(weak);
        else onSet(password);
      }}>
      <PasswordField label={`New password for ${name}`} autoFocus autoComplete="new-password" value={password} error={error}
        hint={`At least ${PASSWORD_LENGTH} characters. It ends ${name}'s sessions.`} onChange={(event) => setPassword(event.target.value)} />
      <Button look="primary" type="submit">Set</Button>
    </form>
  );
}

function dayOf(iso: string): string {
  return new Date(iso).toLocaleDateString(undefined, { day: "numeric", month: "short", year: "numeric" });
}

import { useState } from "react";
import { useChat } from "../chat";
import type { Role, Tier } from "../connection/contract";
import { sentence } from "../connection/errors";
import { locale, t } from "../language/language";
import { usePage } from "../page";
import { Avatar } from "../ui/Avatar";
import { Button } from "../ui/buttons";
import { useValue } from "../ui/store";
import type { Account, Change } from "./api";
import { inSentence, ROLES, TIERS } from "./names";
import { PasswordField } from "./PasswordField";
import styles from "./people.module.css";
import { PASSWORD_LENGTH, weakness } from "./refusals";
import { RemovePerson } from "./RemovePerson";

/** One account: what it may, what it has used, and a new password for it. Changes hold at once. */
export function PersonRow({ person, onChanged, onRemoved }: { person: Account; onChanged(person: Account): void; onRemoved(): void }) {
  const chat = useChat();
  const { api } = usePage();
  const me = useValue(chat.me);
  const [said, setSaid] = useState<{ text: string; wrong: boolean } | null>(null);
  const [asking, setAsking] = useState<"password" | "removal" | null>(null);
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
  const ask = (what: "password" | "removal") => setAsking(asking === what ? null : what);
  return (
    <li className={styles.row} aria-busy={busy}>
      <Avatar person={{ ...person, kind: "person" }} size={32} />
      <div className={styles.name}>
        {person.name}
        {person.id === me.id && <> {t("(you)")}</>}
        {person.isDisabled && <span className={styles.disabled}>{t("disabled")}</span>}
        <small>{t("{tokens} tokens today · since {day}", { tokens: person.usedToday, day: dayOf(person.createdAt) })}</small>
      </div>
      <div className={styles.selects}>
        <Choice label={t("Tier of {name}", { name: person.name })} value={person.tier} options={TIERS} disabled={busy}
          onChoose={(tier: Tier) => void change({ tier }, t("{name} is {tier} now.", { name: person.name, tier: inSentence(TIERS[tier]) }))} />
        <Choice label={t("Role of {name}", { name: person.name })} value={person.role} options={ROLES} disabled={busy || person.role === "guest"}
          title={person.role === "guest" ? t("Guests have no password; they become members by creating an account.") : undefined}
          onChoose={(role: Role) => void change({ role }, t("{name} is {role} now.", { name: person.name, role: inSentence(ROLES[role]) }))} />
      </div>
      <div className={styles.links}>
        {person.role !== "guest" && <Button look="link" aria-expanded={asking === "password"} onClick={() => ask("password")}>{t("New password")}</Button>}
        {person.role !== "guest" && person.id !== me.id && (
          <Button look="link" aria-label={t(person.isDisabled ? "Enable {name}" : "Disable {name}", { name: person.name })} disabled={busy}
            onClick={() => void change({ isDisabled: !person.isDisabled }, person.isDisabled ? t("{name} can sign in again.", { name: person.name }) : t("{name} is signed out, and cannot sign in.", { name: person.name }))}>
            {t(person.isDisabled ? "Enable" : "Disable")}
          </Button>
        )}
        {person.id !== me.id && <Button look="link" aria-expanded={asking === "removal"} onClick={() => ask("removal")}>{t("Remove…")}</Button>}
      </div>
      {said && <p role={said.wrong ? "alert" : "status"} className={said.wrong ? styles.wrong : styles.done}>{said.text}</p>}
      {asking === "removal" && <RemovePerson person={person} onCancel={() => setAsking(null)} onRemoved={onRemoved} />}
      {asking === "password" && (
        <NewPassword name={person.name}
          onSet={(password) => {
            setAsking(null);
            void change({ password }, t("{name} has a new password, and has to sign in with it.", { name: person.name }));
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
      {names.filter(([each]) => each !== "guest" || value === "guest").map(([each, name]) => <option key={each} value={each}>{t(name)}</option>)}
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
      <PasswordField label={t("New password for {name}", { name })} autoFocus autoComplete="new-password" value={password} error={error}
        hint={t("At least {length} characters. It ends {name}'s sessions.", { length: PASSWORD_LENGTH, name })} onChange={(event) => setPassword(event.target.value)} />
      <Button look="primary" type="submit">{t("Set")}</Button>
    </form>
  );
}

function dayOf(iso: string): string {
  return new Date(iso).toLocaleDateString(locale(), { day: "numeric", month: "short", year: "numeric" });
}

import { useState } from "react";
import { sentence } from "../connection/errors";
import { t } from "../language/language";
import { usePage } from "../page";
import { Button } from "../ui/buttons";
import form from "../ui/form.module.css";
import type { Account } from "./api";
import { MessagesChoice, type Left } from "./MessagesChoice";
import styles from "./removal.module.css";

/** Asks an administrator before an account is removed. */
export function RemovePerson({ person, onCancel, onRemoved }: { person: Account; onCancel(): void; onRemoved(): void }) {
  const { api } = usePage();
  const [left, setLeft] = useState<Left>("keep");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const remove = async () => {
    setBusy(true);
    setError(null);
    try {
      await api.removePerson(person.id, left);
      onRemoved();
    } catch (problem) {
      setError(sentence(problem));
      setBusy(false);
    }
  };
  return (
    <div className={styles.row} role="group" aria-label={t("Remove {name}", { name: person.name })} aria-busy={busy}>
      <p>{t("{name} is signed out everywhere, and cannot come back with this account. This cannot be undone.", { name: person.name })}</p>
      <MessagesChoice legend={t("{name}’s messages", { name: person.name })} value={left} onChoose={setLeft} />
      {error !== null && <p role="alert" className={form.refusal}>{error}</p>}
      <div className={form.buttons}>
        <Button onClick={onCancel}>{t("Cancel")}</Button>
        <Button look="danger" disabled={busy} onClick={() => void remove()}>{t("Remove {name}", { name: person.name })}</Button>
      </div>
    </div>
  );
}

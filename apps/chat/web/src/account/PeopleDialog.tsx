import { useCallback, useEffect, useState } from "react";
import { sentence } from "../connection/errors";
import { t } from "../language/language";
import { usePage } from "../page";
import { Button } from "../ui/buttons";
import { Dialog } from "../ui/Dialog";
import { Field } from "../ui/Field";
import { Skeleton } from "../ui/Skeleton";
import type { Account } from "./api";
import styles from "./people.module.css";
import { PersonRow } from "./PersonRow";

type Listed = { kind: "loading" } | { kind: "failed"; error: string } | { kind: "listed"; people: readonly Account[] };

const SHOWN = 50;

/** For administrators: everybody with an account, and what they may. */
export function PeopleDialog({ onClose }: { onClose(): void }) {
  const { api } = usePage();
  const [listed, setListed] = useState<Listed>({ kind: "loading" });
  const [query, setQuery] = useState("");
  const [shown, setShown] = useState(SHOWN);
  const [said, setSaid] = useState("");
  const load = useCallback(async () => {
    setListed({ kind: "loading" });
    try {
      setListed({ kind: "listed", people: await api.people() });
    } catch (error) {
      setListed({ kind: "failed", error: sentence(error) });
    }
  }, [api]);
  useEffect(() => void load(), [load]);
  const changed = (person: Account) =>
    setListed((before) => (before.kind === "listed" ? { ...before, people: before.people.map((each) => (each.id === person.id ? person : each)) } : before));
  const removed = (person: Account) => {
    setListed((before) => (before.kind === "listed" ? { ...before, people: before.people.filter((each) => each.id !== person.id) } : before));
    setSaid(t("{name} is removed.", { name: person.name }));
  };
  const found = listed.kind === "listed" ? peopleFor(query, listed.people) : [];
  return (
    <Dialog title={t("People")} onClose={onClose} wide>
      <Field label={t("Find somebody")} type="search" value={query} autoComplete="off" placeholder={t("Name")}
        onChange={(event) => {
          setQuery(event.target.value);
          setShown(SHOWN);
        }} />
      {listed.kind === "loading" && (
        <div className={styles.list} role="img" aria-label={t("Loading the people")}>
          {[60, 45, 70].map((width) => <Skeleton key={width} avatar lines={[width, 30]} />)}
        </div>
      )}
      {listed.kind === "failed" && (
        <p className={styles.aside} role="alert">{t("The list could not be loaded: {error}", { error: listed.error })} <Button look="link" onClick={() => void load()}>{t("Try again")}</Button></p>
      )}
      {listed.kind === "listed" && found.length === 0 && (
        <p className={styles.aside} role="status">{query ? t("Nobody has “{query}” in the name.", { query }) : t("Nobody has an account yet.")}</p>
      )}
      {said && <p className={styles.aside} role="status">{said}</p>}
      <ul className={styles.list} aria-label={t("People")}>
        {found.slice(0, shown).map((person) => <PersonRow key={person.id} person={person} onChanged={changed} onRemoved={() => removed(person)} />)}
      </ul>
      {found.length > shown && (
        <p className={styles.aside}>{t("{shown} of {all} people.", { shown, all: found.length })} <Button look="link" onClick={() => setShown(shown + SHOWN)}>{t("Show more")}</Button></p>
      )}
    </Dialog>
  );
}

/** People with the query in their names; those whose names begin with it come first. */
export function peopleFor(query: string, people: readonly Account[]): Account[] {
  const wanted = query.trim().toLowerCase();
  const place = (person: Account) => person.name.toLowerCase().indexOf(wanted);
  return people
    .filter((person) => place(person) >= 0)
    .toSorted((a, b) => Number(place(a) > 0) - Number(place(b) > 0) || a.name.localeCompare(b.name));
}

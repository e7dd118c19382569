import { useState, type KeyboardEvent } from "react";
import { useChat } from "../chat";
import { sentence } from "../connection/errors";
import type { Room } from "../connection/contract";
import { t } from "../language/language";
import { Avatar } from "../ui/Avatar";
import { Button } from "../ui/buttons";
import { Field } from "../ui/Field";
import details from "./details.module.css";
import styles from "./rooms.module.css";
import { useFindPeople } from "./use-find-people";

/** Adds somebody to a private room by name; names are completed. */
export function AddMember({ room }: { room: Room }) {
  const chat = useChat();
  const [name, setName] = useState("");
  const [chosen, setChosen] = useState(0);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const { found, again } = useFindPeople(name);
  const isIn = (id: string) => room.members.some((member) => member.id === id);
  const people = found.kind === "found" ? found.people.filter((person) => !isIn(person.id)) : [];
  const active = Math.min(chosen, people.length - 1);
  const nobody = found.kind === "found" && people.length === 0;

  const add = async (whom: string) => {
    if (whom.trim() === "" || busy) return;
    setBusy(true);
    setError(null);
    try {
      await chat.rooms.addMember(room.id, whom.trim());
      setName("");
    } catch (failure) {
      setError(sentence(failure));
    } finally {
      setBusy(false);
    }
  };
  const pressed = (event: KeyboardEvent) => {
    if (event.key === "ArrowDown") setChosen((active + 1) % Math.max(1, people.length));
    else if (event.key === "ArrowUp") setChosen((active + people.length - 1) % Math.max(1, people.length));
    else if (event.key === "Escape" && name !== "") setName("");
    else return;
    event.preventDefault();
    event.stopPropagation();
  };

  return (
    <form className={details.add}
      onSubmit={(event) => {
        event.preventDefault();
        void add(people[active]?.name ?? name);
      }}>
      <Field label={t("Add somebody")} value={name} error={error} placeholder={t("Name")} autoComplete="off" role="combobox" aria-autocomplete="list"
        aria-expanded={people.length > 0} aria-controls="found-people"
        aria-activedescendant={people[active] ? `found-person-${active}` : undefined} onKeyDown={pressed}
        onChange={(event) => {
          setName(event.target.value);
          setChosen(0);
          setError(null);
        }}
        end={<Button look="link" type="submit" disabled={busy || name.trim() === ""}>{t("Add")}</Button>} />
      <div id="found-people" role="listbox" aria-label={t("People found")} className={people.length > 0 ? details.choices : ""}>
        {people.map((person, index) => (
          // The keys are handled by the text field, which keeps the focus.
          <div key={person.id} id={`found-person-${index}`} role="option" aria-selected={index === active} className={styles.result}
            onMouseDown={(event) => event.preventDefault()} onClick={() => void add(person.name)}>
            <Avatar person={person} size={24} />
            <span className={styles.found}>{person.name}</span>
          </div>
        ))}
      </div>
      {found.kind === "looking" && <p className={details.aside}>{t("Looking…")}</p>}
      {nobody && <p className={details.aside} role="status">{found.people.length > 0 ? t("Everybody of that name is in the room.") : t("Nobody's name begins with “{name}”.", { name: name.trim() })}</p>}
      {found.kind === "failed" && <p className={details.aside} role="alert">{found.error} <Button look="link" onClick={again}>{t("Try again")}</Button></p>}
    </form>
  );
}

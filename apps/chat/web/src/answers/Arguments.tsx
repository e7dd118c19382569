import { useState } from "react";
import { t } from "../language/language";
import { Button } from "../ui/buttons";
import styles from "./answer.module.css";
import { argumentsOf, beginningOf, textOf } from "./arguments";

/** What a tool is given: a list of names and values, of long ones the beginning until somebody wants all. */
export function Arguments({ input }: { input: unknown }) {
  const named = argumentsOf(input ?? {});
  if (named === null) return <Value text={textOf(input)} />;
  if (named.length === 0) return <p>{t("Nothing")}</p>;
  return (
    <dl className={styles.arguments}>
      {named.map(([name, text], index) => (
        <div key={index}>
          <dt dir="auto">{name}</dt>
          <dd><Value text={text} /></dd>
        </div>
      ))}
    </dl>
  );
}

function Value({ text }: { text: string }) {
  const [open, setOpen] = useState(false);
  const begin = beginningOf(text);
  return (
    <>
      <span className={styles.value} dir="auto">{open || begin === null ? text : begin}</span>
      {begin !== null && <Button look="link" aria-expanded={open} onClick={() => setOpen(!open)}>{open ? t("Show less") : t("Show all {length} characters", { length: text.length })}</Button>}
    </>
  );
}

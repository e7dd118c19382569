import { useState, type ReactNode } from "react";
import { t } from "../language/language";
import { Button } from "../ui/buttons";
import styles from "./message.module.css";

const LONG_CHARACTERS = 2_500;
const LONG_LINES = 32;

/** A long message shows its beginning until somebody wants all of it. */
export function Folded({ text, children }: { text: string; children: ReactNode }) {
  const [open, setOpen] = useState(false);
  if (!isLong(text)) return children;
  return (
    <>
      <div className={open ? "" : styles.folded} data-folded={!open}>{children}</div>
      <Button look="link" aria-expanded={open} onClick={() => setOpen(!open)}>{open ? t("Show less") : t("Show all {length} characters", { length: text.length })}</Button>
    </>
  );
}

export function isLong(text: string): boolean {
  return text.length > LONG_CHARACTERS || (text.match(/\n/g)?.length ?? 0) >= LONG_LINES;
}

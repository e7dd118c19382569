import { t } from "../language/language";
import styles from "./answer.module.css";

/** What the model thinks on its way to the answer: there for who wants it, folded for the others. */
export function Reasoning({ text, growing }: { text: string; growing: boolean }) {
  return (
    <details className={styles.reasoning} data-reasoning>
      <summary>{t(growing ? "Reasoning…" : "Reasoning")}</summary>
      <p>{text.trim()}</p>
    </details>
  );
}

import { t } from "../language/language";
import styles from "./removal.module.css";

/** What becomes of somebody's messages with the account. */
export type Left = "keep" | "delete";

/** Asks what becomes of the messages of an account that is removed. */
export function MessagesChoice({ legend, value, onChoose }: { legend: string; value: Left; onChoose(value: Left): void }) {
  const option = (left: Left, title: string, text: string) => (
    <label className={styles.option}>
      <input type="radio" name="messages" checked={value === left} onChange={() => onChoose(left)} />
      <span>
        {title}
        <small>{text}</small>
      </span>
    </label>
  );
  return (
    <fieldset className={styles.choice}>
      <legend>{legend}</legend>
      {option("keep", t("Keep them under “Removed person”"), t("Conversations stay readable for the others, without the name."))}
      {option("delete", t("Delete them"), t("Texts and files go for good; only their places stay."))}
    </fieldset>
  );
}

import { useChat } from "../chat";
import { t } from "../language/language";
import { useValue } from "../ui/store";
import styles from "./timeline.module.css";

/** Who writes at the moment; the line keeps its height when nobody does. */
export function Typing() {
  return <div className={styles.typing}>{typingLine(useValue(useChat().presence.writing))}</div>;
}

export function typingLine(names: readonly string[]): string {
  const [first, second] = names;
  if (first === undefined) return "";
  if (second === undefined) return t("{name} is writing…", { name: first });
  return names.length === 2 ? t("{first} and {second} are writing…", { first, second }) : t("Several people are writing…");
}

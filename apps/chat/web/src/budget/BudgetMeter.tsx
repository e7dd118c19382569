import { useChat } from "../chat";
import { plural, t } from "../language/language";
import { useValue } from "../ui/store";
import { useNow } from "../ui/use-now";
import { standing } from "./budget";
import styles from "./budget.module.css";
import { money } from "./models";

const EVERY = 30_000;

/** What is left of today's tokens: a line of text, and the same as a bar. */
export function BudgetMeter() {
  const chat = useChat();
  const budget = useValue(chat.budget);
  const assistant = useValue(chat.assistant);
  const now = useNow(EVERY);
  if (!budget) return null;
  const { level, share, text } = standing(budget, now);
  const hasBar = level !== "unlimited" && level !== "none";
  return (
    <div className={`${styles.budget} ${styles[level]}`}>
      <p>{text}</p>
      {hasBar && (
        <div className={styles.bar} role="meter" aria-label={t("Tokens left today")} aria-valuemin={0} aria-valuemax={100}
          aria-valuenow={Math.round(share * 100)} aria-valuetext={text}>
          <span style={{ width: `${share * 100}%` }} />
        </div>
      )}
      {budget.questionsAtOnce !== null && level !== "none" && (
        <small>{plural(budget.questionsAtOnce, "One question at a time", "Up to {count} questions at once")}</small>
      )}
      {budget.cost != null && assistant && <small>{t("Today's answers cost {amount}", { amount: money(budget.cost, assistant.currency) })}</small>}
    </div>
  );
}

import { useChat } from "../chat";
import { useValue } from "../ui/store";
import { useNow } from "../ui/use-now";
import { standing } from "./budget";
import styles from "./budget.module.css";

const EVERY = 30_000;

/** What is left of today's tokens: a line of text, and the same as a bar. */
export function BudgetMeter() {
  const chat = useChat();
  const budget = useValue(chat.budget);
  const now = useNow(EVERY);
  if (!budget) return null;
  const { level, share, text } = standing(budget, now);
  const hasBar = level !== "unlimited" && level !== "none";
  return (
    <div className={`${styles.budget} ${styles[level]}`}>
      <p>{text}</p>
      {hasBar && (
        <div className={styles.bar} role="meter" aria-label="Tokens left today" aria-valuemin={0} aria-valuemax={100}
          aria-valuenow={Math.round(share * 100)} aria-valuetext={text}>
          <span style={{ width: `${share * 100}%` }} />
        </div>
      )}
      {budget.questionsAtOnce !== null && level !== "none" && (
        <small>{budget.questionsAtOnce === 1 ? "One question at a time" : `Up to ${budget.questionsAtOnce} questions at once`}</small>
      )}
    </div>
  );
}

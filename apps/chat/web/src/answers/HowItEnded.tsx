import { spentOn } from "../budget/models";
import type { Answer, Me } from "../connection/contract";
import { said, t } from "../language/language";
import { withoutStop } from "../language/sentences";
import { duration, inOwnZone } from "../messages/dates";
import { Icon } from "../ui/Icon";
import styles from "./answer.module.css";

/** How an answer ended and what it has cost, below it. */
export function HowItEnded({ answer, me, currency }: { answer: Answer; me: Me; currency: string }) {
  const spent = spentOn(answer, currency);
  const words = howItEnded(answer, me);
  return (
    <span className={`${styles.why} ${answer.state === "failed" ? styles.failed : ""}`}>
      {answer.state === "limited" && <Icon name="clock" size={14} />}
      {spent ? withoutStop(words) : words}
      {spent && <span title={spent.detail}>{` · ${spent.text}`}</span>}
    </span>
  );
}

/** How an answer ended, in a few words for the reader `me`. */
export function howItEnded(answer: Answer, me: Me): string {
  const time = duration(answer.elapsed);
  switch (answer.state) {
    case "stopped":
      return t("Stopped after {time}", { time });
    case "interrupted":
      return said(answer.error ?? "") || t("Interrupted before it was finished");
    case "limited":
      // The server's sentence is for whose tokens they were.
      if (answer.askedBy.id !== me.id) return t("The tokens of {name} for today are used up, so the answer ends here.", { name: answer.askedBy.name });
      return answer.error ? inOwnZone(said(answer.error)) : t("Your tokens for today are used up, so the answer ends here.");
    case "failed":
      return said(answer.error ?? "") || t("The assistant could not answer");
    default:
      return answer.error ? `${time} · ${said(answer.error)}` : time;
  }
}

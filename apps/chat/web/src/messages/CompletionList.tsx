import { t } from "../language/language";
import { Avatar } from "../ui/Avatar";
import type { Candidate } from "./completion";
import styles from "./composer.module.css";

interface Props {
  candidates: readonly Candidate[];
  active: number;
  onChoose(candidate: Candidate): void;
}

/** Whom `@` can mean; the keys are handled by the text field, which keeps the focus. */
export function CompletionList({ candidates, active, onChoose }: Props) {
  return (
    <div className={styles.list} id="mentions" role="listbox" aria-label={t("People and assistant")}>
      {candidates.map((candidate, index) => (
        <div key={candidate.id} id={optionId(index)} role="option" aria-selected={index === active} className={styles.option}
          onMouseDown={(event) => event.preventDefault()} onClick={() => onChoose(candidate)}>
          <Avatar person={candidate} size={24} />
          {candidate.name}
          <small>{candidate.hint}</small>
        </div>
      ))}
    </div>
  );
}

export function optionId(index: number): string {
  return `mention-${index}`;
}

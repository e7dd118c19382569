import { useId } from "react";
import type { ToolUse } from "../connection/contract";
import { said, t } from "../language/language";
import { Icon } from "../ui/Icon";
import styles from "./answer.module.css";
import { Arguments } from "./Arguments";
import { outcome } from "./pieces";
import { toolTitle } from "./tools";
import { visible } from "./visible";

const BAD = new Set<ToolUse["state"]>(["output-denied", "output-error"]);

/** A tool that was used: its name and what became of it; folded, what it was given and what it gave. */
export function ToolDetails({ use, running }: { use: ToolUse; running: boolean }) {
  const id = useId();
  const words = outcome(use, running);
  return (
    <details className={styles.tool} data-tool={use.state}>
      <summary>
        <Icon name="tool" size={16} />
        <span dir="auto">{toolTitle(use.title ?? use.name, use.server)}</span>
        {use.server && <small>{use.server}</small>}
        {words && <small className={BAD.has(use.state) ? styles.failed : ""}>{words}</small>}
        <span className={styles.fold}><Icon name="chevron" size={14} /></span>
      </summary>
      <p>{t("Given")}</p>
      <Arguments input={use.input} />
      {use.output != null && <Field id={`${id}-out`} label={t("Result")} text={use.output || t("Nothing")} />}
      {use.errorText && <Field id={`${id}-error`} label={t("Error")} text={visible(said(use.errorText))} />}
    </details>
  );
}

function Field({ id, label, text }: { id: string; label: string; text: string }) {
  return (
    <>
      <p id={id}>{label}</p>
      <pre tabIndex={0} aria-labelledby={id} role="group" dir="auto">{text}</pre>
    </>
  );
}

import { useId, type ComponentProps, type ReactNode } from "react";
import styles from "./field.module.css";

interface Props extends ComponentProps<"input"> {
  label: string;
  /** What is wrong with it, said in place. */
  error?: string | null;
  hint?: ReactNode;
  /** Stands inside the field, at its end. */
  end?: ReactNode;
}

/** A text field with its label, and below it what there is to say about it. */
export function Field({ label, error = null, hint, end, ...input }: Props) {
  const id = useId();
  const described = [error !== null && `${id}-error`, hint && `${id}-hint`].filter(Boolean).join(" ");
  return (
    <div className={styles.field}>
      <label htmlFor={id}>{label}</label>
      <div className={styles.frame}>
        <input id={id} aria-invalid={error !== null} aria-describedby={described || undefined} {...input} />
        {end}
      </div>
      {error !== null && <p id={`${id}-error`} role="alert" className={styles.error}>{error}</p>}
      {hint && <p id={`${id}-hint`} className={styles.hint}>{hint}</p>}
    </div>
  );
}

import { useEffect, useRef, type ReactNode } from "react";
import { t } from "../language/language";
import { IconButton } from "./buttons";
import styles from "./dialog.module.css";

/** A modal dialog (the browser's own: it keeps the focus and gives it back; a field has it first). Escape and a click beside it close it. */
export function Dialog({ title, onClose, wide = false, children }: { title: string; onClose(): void; wide?: boolean; children: ReactNode }) {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const dialog = ref.current;
    if (dialog && !dialog.open) dialog.showModal();
    dialog?.querySelector<HTMLInputElement>("input:not([hidden])")?.focus();
    return () => dialog?.close();
  }, []);
  // The event comes later than the closing: the dialog may have been opened again by then.
  const closed = () => ref.current?.open || onClose();
  return (
    // The keyboard closes it by Escape; the click is for those who point.
    <dialog ref={ref} className={`${styles.dialog} ${wide ? styles.wide : ""}`} aria-label={title} onClose={closed}
      onClick={(event) => event.target === event.currentTarget && onClose()}>
      <div className={styles.head}>
        <h2>{title}</h2>
        <IconButton icon="close" label={t("Close")} onClick={onClose} />
      </div>
      {children}
    </dialog>
  );
}

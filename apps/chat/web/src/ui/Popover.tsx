import { useEffect, useId, useRef, useState, type ReactNode } from "react";
import styles from "./popover.module.css";

interface Trigger {
  "aria-expanded": boolean;
  "aria-controls": string;
  onClick(): void;
}

interface Props {
  label: string;
  side: "below" | "above";
  /** The panel begins where the nearest positioned element does, not where the button does. */
  atParent?: boolean;
  trigger(props: Trigger): ReactNode;
  children(close: () => void): ReactNode;
}

/** A small panel beside its button. Escape, a click elsewhere and leaving it by Tab close it. */
export function Popover({ label, side, atParent = false, trigger, children }: Props) {
  const [open, setOpen] = useState(false);
  const ref = useRef<HTMLDivElement>(null);
  const id = useId();
  /** The focus goes back to the button, so that a dialog opened from here can give it back there. */
  const close = () => {
    setOpen(false);
    ref.current?.querySelector<HTMLElement>("[aria-expanded]")?.focus();
  };
  useEffect(() => {
    if (!open) return;
    const outside = (event: Event) => {
      if (event.target instanceof Node && !ref.current?.contains(event.target)) setOpen(false);
    };
    const escape = (event: KeyboardEvent) => {
      if (event.key !== "Escape") return;
      event.preventDefault();
      setOpen(false);
      ref.current?.querySelector<HTMLElement>("[aria-expanded]")?.focus();
    };
    document.addEventListener("pointerdown", outside);
    document.addEventListener("focusin", outside);
    document.addEventListener("keydown", escape, true);
    return () => {
      document.removeEventListener("pointerdown", outside);
      document.removeEventListener("focusin", outside);
      document.removeEventListener("keydown", escape, true);
    };
  }, [open]);
  return (
    <div className={atParent ? styles.loose : styles.anchor} ref={ref}>
      {trigger({ "aria-expanded": open, "aria-controls": id, onClick: () => setOpen(!open) })}
      {open && (
        <div id={id} role="group" aria-label={label} className={`${styles.panel} ${styles[side]}`}>
          {children(close)}
        </div>
      )}
    </div>
  );
}

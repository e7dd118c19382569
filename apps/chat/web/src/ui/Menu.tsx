import { useEffect, useLayoutEffect, useRef, useState, type KeyboardEvent, type RefObject } from "react";
import { putBeside, stayBeside } from "./beside";
import { IconButton } from "./buttons";
import { Icon, type IconName } from "./Icon";
import styles from "./menu.module.css";

export interface MenuItem {
  label: string;
  icon: IconName;
  danger?: boolean;
  act(): void;
}

/** A button with three dots, and the list of actions that it opens. */
export function Menu({ label, items, className = "" }: { label: string; items: readonly MenuItem[]; className?: string }) {
  const [open, setOpen] = useState(false);
  const anchor = useRef<HTMLSpanElement>(null);
  const close = (giveBack: boolean) => {
    setOpen(false);
    if (giveBack) anchor.current?.querySelector("button")?.focus();
  };
  return (
    <span ref={anchor} className={`${className} ${open ? styles.open : ""}`}>
      <IconButton icon="more" label={label} aria-haspopup="menu" aria-expanded={open} onClick={() => setOpen(!open)} />
      {open && <Items label={label} items={items} anchor={anchor} onClose={close} />}
    </span>
  );
}

interface ItemsProps {
  label: string;
  items: readonly MenuItem[];
  anchor: RefObject<HTMLElement | null>;
  onClose(giveBack: boolean): void;
}

/** The list, above everything else on the page. Escape, Tab, a click elsewhere and losing sight of the button close it. */
function Items({ label, items, anchor, onClose }: ItemsProps) {
  const ref = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const list = ref.current;
    if (!list || !anchor.current) return;
    list.showPopover();
    putBeside(anchor.current, list);
    list.querySelector("button")?.focus({ preventScroll: true });
  }, [anchor]);
  useEffect(() => {
    const outside = (event: Event) => {
      if (event.target instanceof Node && !anchor.current?.contains(event.target)) onClose(false);
    };
    const escape = (event: globalThis.KeyboardEvent) => {
      if (event.key !== "Escape") return;
      event.preventDefault();
      onClose(true);
    };
    document.addEventListener("pointerdown", outside);
    document.addEventListener("keydown", escape, true);
    const end = anchor.current && ref.current && stayBeside(anchor.current, ref.current, () => onClose(false));
    return () => {
      end?.();
      document.removeEventListener("pointerdown", outside);
      document.removeEventListener("keydown", escape, true);
    };
  });
  const pressed = (event: KeyboardEvent) => {
    if (event.key === "Tab") return onClose(true);
    const by = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (by === 0) return;
    event.preventDefault();
    const all = [...(ref.current?.querySelectorAll("button") ?? [])];
    const at = all.findIndex((each) => each === document.activeElement);
    all[(at + by + all.length) % all.length]?.focus();
  };
  return (
    <div ref={ref} popover="manual" role="menu" aria-label={label} className={styles.list} onKeyDown={pressed}>
      {items.map((item) => (
        <button key={item.label} type="button" role="menuitem" className={item.danger ? styles.danger : ""}
          onClick={() => {
            onClose(true);
            item.act();
          }}>
          <Icon name={item.icon} size={16} />
          {item.label}
        </button>
      ))}
    </div>
  );
}

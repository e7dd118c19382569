import { BudgetMeter } from "../budget/BudgetMeter";
import { useChat } from "../chat";
import { usePage } from "../page";
import type { Overlay } from "../Rooms";
import { Avatar } from "../ui/Avatar";
import { Icon, type IconName } from "../ui/Icon";
import { Popover } from "../ui/Popover";
import { useValue } from "../ui/store";
import styles from "./account.module.css";
import { standingOf } from "./names";
import { ThemeSwitch } from "./ThemeSwitch";

/** Me, at the foot of the rooms: who I am here, what is left today, settings, a second person, the way out. */
export function AccountMenu({ onOpen }: { onOpen(overlay: Overlay): void }) {
  const chat = useChat();
  const page = usePage();
  const me = useValue(chat.me);
  return (
    <Popover label="Account" side="above"
      trigger={(props) => (
        <button type="button" className={styles.me} {...props}>
          <Avatar person={me} size={32} />
          <span className={styles.who}>
            <span className="visually-hidden">Account: </span>
            {me.name}
            <small>{standingOf(me)}</small>
          </span>
        </button>
      )}>
      {(close) => {
        const item = (icon: IconName, label: string, act: () => void) => (
          <button type="button" onClick={() => (close(), act())}>
            <Icon name={icon} />
            {label}
          </button>
        );
        return (
          <div className={styles.menu}>
            <div className={styles.today}>
              <BudgetMeter />
            </div>
            <ThemeSwitch />
            {me.role === "admin" && item("people", "People", () => onOpen("people"))}
            {me.role !== "guest" && item("key", "Change password", () => onOpen("password"))}
            {item("keyboard", "Keyboard shortcuts", () => onOpen("shortcuts"))}
            <a href="?guest" target="_blank" rel="noopener" onClick={close}>
              <Icon name="window" />
              New window as somebody else
            </a>
            {item("out", "Sign out", () => void chat.attempt("You could not be signed out", () => page.signOut()))}
          </div>
        );
      }}
    </Popover>
  );
}

import { useState } from "react";
import { BudgetMeter } from "../budget/BudgetMeter";
import { useChat } from "../chat";
import { usePage } from "../page";
import { Avatar } from "../ui/Avatar";
import { Icon, type IconName } from "../ui/Icon";
import { Popover } from "../ui/Popover";
import { useValue } from "../ui/store";
import styles from "./account.module.css";
import { standingOf } from "./names";
import { PasswordDialog } from "./PasswordDialog";
import { PeopleDialog } from "./PeopleDialog";
import { ThemeSwitch } from "./ThemeSwitch";

type Opened = "password" | "people" | null;

/** Me, at the foot of the rooms: who I am here, what is left today, settings, a second person, the way out. */
export function AccountMenu({ onShortcuts }: { onShortcuts(): void }) {
  const chat = useChat();
  const page = usePage();
  const me = useValue(chat.me);
  const [opened, setOpened] = useState<Opened>(null);
  const shut = () => setOpened(null);
  return (
    <>
      <Popover label="Account" side="above"
        trigger={(props) => (
          <button type="button" className={styles.me} aria-label={`Account: ${me.name}`} {...props}>
            <Avatar person={me} size={32} />
            <span className={styles.who}>
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
              {me.role === "admin" && item("people", "People", () => setOpened("people"))}
              {me.role !== "guest" && item("key", "Change password", () => setOpened("password"))}
              {item("keyboard", "Keyboard shortcuts", onShortcuts)}
              <a href="?guest" target="_blank" rel="noopener" onClick={close}>
                <Icon name="window" />
                New window as somebody else
              </a>
              {item("out", "Sign out", () => void chat.attempt("You could not be signed out", () => page.signOut()))}
            </div>
          );
        }}
      </Popover>
      {opened === "password" && <PasswordDialog onClose={shut} />}
      {opened === "people" && <PeopleDialog onClose={shut} />}
    </>
  );
}

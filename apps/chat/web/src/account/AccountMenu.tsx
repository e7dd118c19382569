import { BudgetMeter } from "../budget/BudgetMeter";
import { useChat } from "../chat";
import { t } from "../language/language";
import { LanguageSwitch } from "../language/LanguageSwitch";
import { usePage } from "../page";
import type { Overlay } from "../Rooms";
import { Avatar } from "../ui/Avatar";
import { Icon, type IconName } from "../ui/Icon";
import { Popover } from "../ui/Popover";
import { useValue } from "../ui/store";
import styles from "./account.module.css";
import { standingOf } from "./names";
import { NotificationSwitch } from "./NotificationSwitch";
import { ThemeSwitch } from "./ThemeSwitch";

/** Me, at the foot of the rooms: who I am here, what is left today, settings, a second person, the way out. */
export function AccountMenu({ onOpen }: { onOpen(overlay: Overlay): void }) {
  const chat = useChat();
  const page = usePage();
  const me = useValue(chat.me);
  return (
    <Popover label={t("Account")} side="above"
      trigger={(props) => (
        <button type="button" className={styles.me} {...props}>
          <Avatar person={me} size={32} />
          <span className={styles.who}>
            <span className="visually-hidden">{t("Account:")}{" "}</span>
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
            <LanguageSwitch />
            <NotificationSwitch />
            {me.role === "admin" && item("people", t("People"), () => onOpen("people"))}
            {me.role !== "guest" && chat.user.hasPassword !== false && item("key", t("Change password"), () => onOpen("password"))}
            {me.role !== "guest" && item("bin", t("Remove account"), () => onOpen("remove-account"))}
            {item("keyboard", t("Keyboard shortcuts"), () => onOpen("shortcuts"))}
            <a href="?guest" target="_blank" rel="noopener" onClick={close}>
              <Icon name="window" />
              {t("New window as somebody else")}
            </a>
            {item("out", t("Sign out"), () => void chat.attempt(t("You could not be signed out"), () => page.signOut()))}
          </div>
        );
      }}
    </Popover>
  );
}

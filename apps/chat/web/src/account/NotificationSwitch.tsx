import { useChat } from "../chat";
import { msg, t } from "../language/language";
import { useValue } from "../ui/store";
import styles from "./account.module.css";
import type { NotificationState } from "./notifications";

const HINTS: Record<NotificationState, string> = {
  off: msg("When this page is hidden: mentions of you, and answers to you"),
  on: msg("When this page is hidden: mentions of you, and answers to you"),
  blocked: msg("Your browser blocks them for this page: allow them in its settings"),
  impossible: msg("This browser shows none for this page"),
};

/** The browser is asked for its leave by a click here, and at no other time. */
export function NotificationSwitch() {
  const { notifications } = useChat();
  const state = useValue(notifications.state);
  return (
    <label className={styles.switch}>
      <input type="checkbox" role="switch" checked={state === "on"} disabled={state === "blocked" || state === "impossible"}
        aria-describedby="notifications-hint" onChange={() => void notifications.toggle()} />
      <span>
        {t("Notifications")}
        <small id="notifications-hint">{t(HINTS[state])}</small>
      </span>
    </label>
  );
}

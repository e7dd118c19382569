import { useChat } from "../chat";
import { Avatar } from "../ui/Avatar";
import { Icon } from "../ui/Icon";
import { Popover } from "../ui/Popover";
import { useValue } from "../ui/store";
import styles from "./account.module.css";
import type { Theme } from "./theme";

const THEMES: readonly [Theme, string][] = [
  ["system", "System"],
  ["light", "Light"],
  ["dark", "Dark"],
];

/** Me, at the foot of the rooms: looks, shortcuts, a second person, the way out. */
export function AccountMenu({ onShortcuts }: { onShortcuts(): void }) {
  const chat = useChat();
  const identity = useValue(chat.account.identity);
  const me = useValue(chat.me);
  const theme = useValue(chat.theme.value);
  const name = identity?.name ?? "";
  return (
    <Popover label="Account" side="above"
      trigger={(props) => (
        <button type="button" className={styles.me} aria-label={`Account: ${name}`} {...props}>
          <Avatar person={{ id: me?.id ?? "me", name, kind: "person" }} size={32} />
          <span>{name}</span>
        </button>
      )}>
      {(close) => (
        <div className={styles.menu}>
          <fieldset className={styles.themes} aria-label="Theme">
            {THEMES.map(([value, label]) => (
              <label key={value}>
                <input type="radio" name="theme" checked={theme === value} onChange={() => chat.theme.choose(value)} />
                {label}
              </label>
            ))}
          </fieldset>
          <button type="button" onClick={() => (close(), onShortcuts())}>
            <Icon name="keyboard" />
            Keyboard shortcuts
          </button>
          <a href="?guest" target="_blank" rel="noopener" onClick={close}>
            <Icon name="window" />
            New window as somebody else
          </a>
          <button type="button" onClick={() => chat.signOut()}>
            <Icon name="out" />
            Sign out
          </button>
        </div>
      )}
    </Popover>
  );
}

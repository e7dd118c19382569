import { Fragment } from "react";
import { msg, t } from "../language/language";
import { Dialog } from "./Dialog";
import { Kbd, mod } from "./Kbd";
import styles from "./kbd.module.css";

const SHORTCUTS: readonly [string, () => string][] = [
  [msg("Go to a room"), () => `${mod()}K`],
  [msg("Search messages"), () => `${mod()}${t("Shift")} F`],
  [msg("Next or previous room"), () => `${t("Alt")} ↓ / ${t("Alt")} ↑`],
  [msg("Send"), () => t("Enter")],
  [msg("New line"), () => `${t("Shift")} ${t("Enter")}`],
  [msg("Edit my last message"), () => "↑"],
  [msg("Mention somebody or the assistant"), () => "@"],
  [msg("Stop the answer"), () => t("Escape")],
  [msg("This list"), () => "?"],
];

export function Shortcuts({ onClose }: { onClose(): void }) {
  return (
    <Dialog title={t("Keyboard shortcuts")} onClose={onClose}>
      <dl className={styles.list}>
        {SHORTCUTS.map(([what, keys]) => (
          <Fragment key={what}>
            <dt>{t(what)}</dt>
            <dd><Kbd>{keys()}</Kbd></dd>
          </Fragment>
        ))}
      </dl>
    </Dialog>
  );
}

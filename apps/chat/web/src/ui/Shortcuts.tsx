import { Fragment } from "react";
import { Dialog } from "./Dialog";
import { Kbd, MOD } from "./Kbd";
import styles from "./kbd.module.css";

const SHORTCUTS: readonly [string, string][] = [
  ["Go to a room", `${MOD}K`],
  ["Next or previous room", "Alt ↓ / Alt ↑"],
  ["Send", "Enter"],
  ["New line", "Shift Enter"],
  ["Mention somebody or the assistant", "@"],
  ["Stop the answer", "Escape"],
  ["This list", "?"],
];

export function Shortcuts({ onClose }: { onClose(): void }) {
  return (
    <Dialog title="Keyboard shortcuts" onClose={onClose}>
      <dl className={styles.list}>
        {SHORTCUTS.map(([what, keys]) => (
          <Fragment key={what}>
            <dt>{what}</dt>
            <dd><Kbd>{keys}</Kbd></dd>
          </Fragment>
        ))}
      </dl>
    </Dialog>
  );
}

import type { ReactNode } from "react";
import { t } from "../language/language";
import styles from "./kbd.module.css";

const MAC = typeof navigator !== "undefined" && /mac|iphone|ipad/i.test(navigator.userAgent);

/** The key that begins shortcuts on this machine. */
export function mod(): string {
  return MAC ? "⌘" : `${t("Ctrl")} `;
}

export function Kbd({ children }: { children: ReactNode }) {
  return <kbd className={styles.kbd}>{children}</kbd>;
}

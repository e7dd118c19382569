import type { ReactNode } from "react";
import styles from "./kbd.module.css";

const MAC = typeof navigator !== "undefined" && /mac|iphone|ipad/i.test(navigator.userAgent);

/** The key that begins shortcuts on this machine. */
export const MOD = MAC ? "⌘" : "Ctrl ";

export function Kbd({ children }: { children: ReactNode }) {
  return <kbd className={styles.kbd}>{children}</kbd>;
}

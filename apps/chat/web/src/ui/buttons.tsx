import type { ComponentProps } from "react";
import styles from "./buttons.module.css";
import { Icon, type IconName } from "./Icon";

type ButtonProps = ComponentProps<"button">;

/** A button that shows only a drawing; `label` is its name and its tooltip. */
export function IconButton({ icon, label, className = "", ...rest }: { icon: IconName; label: string } & ButtonProps) {
  return (
    <button type="button" className={`${styles.icon} ${className}`} aria-label={label} title={label} {...rest}>
      <Icon name={icon} />
    </button>
  );
}

export function Button({ look = "plain", ...rest }: { look?: "primary" | "plain" | "danger" | "chip" | "link" } & ButtonProps) {
  return <button type="button" className={styles[look]} {...rest} />;
}

import styles from "./skeleton.module.css";

/** The shape of something that is on its way; `lines` are widths in percent. */
export function Skeleton({ lines, avatar = false }: { lines: readonly number[]; avatar?: boolean }) {
  return (
    <div className={styles.row} aria-hidden="true">
      {avatar && <span className={styles.avatar} />}
      <span className={styles.lines}>
        {lines.map((width) => <span key={width} className={styles.line} style={{ width: `${width}%` }} />)}
      </span>
    </div>
  );
}

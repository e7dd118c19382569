import { memo, useEffect, useRef } from "react";
import { t } from "../language/language";
import { useValue } from "../ui/store";
import { formulas, wantFormulas } from "./formulas";
import styles from "./markdown.module.css";

/** A formula of TeX; `raw` is how it is written, with its marks. */
export const Formula = memo(function Formula({ raw, source, block }: { raw: string; source: string; block: boolean }) {
  const ref = useRef<HTMLSpanElement>(null);
  const draw = useValue(formulas);
  useEffect(wantFormulas, []);
  useEffect(() => {
    if (ref.current && draw) draw(source, ref.current, block);
  }, [draw, source, block]);
  if (!block) return draw ? <span ref={ref} key="drawn" /> : raw;
  // It scrolls sideways on its own: the keyboard must reach it.
  return (
    <div className={styles.formula} tabIndex={0} role="group" aria-label={t("Formula")}>
      {draw ? <span ref={ref} key="drawn" /> : <span key="written" className={styles.written}>{raw.trim()}</span>}
    </div>
  );
});

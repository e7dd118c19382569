import { memo, useEffect, useMemo, useState } from "react";
import { t } from "../language/language";
import { copy } from "../ui/clipboard";
import { Icon } from "../ui/Icon";
import { useValue } from "../ui/store";
import styles from "./code.module.css";
import { Diagram } from "./Diagram";
import { highlighter, wantHighlighter } from "./highlight";

/** Code with its language, a button that copies it, and a scroll of its own. */
export const CodeBlock = memo(function CodeBlock({ text, language }: { text: string; language: string }) {
  useEffect(wantHighlighter, []);
  const highlight = useValue(highlighter);
  const spans = useMemo(() => (language ? (highlight?.(text, language.toLowerCase()) ?? null) : null), [highlight, text, language]);
  return (
    <div className={styles.block}>
      <div className={styles.head}>
        <span>{language || t("code")}</span>
        <CopyButton text={text} label={t("Copy code")} />
      </div>
      {/* It scrolls sideways on its own: the keyboard must reach it. */}
      <pre tabIndex={0} role="group" aria-label={language ? t("Code in {language}", { language }) : t("Code")}>
        <code>
          {spans ? spans.map((span, index) => <span key={index} className={span.look ? styles[span.look] : undefined}>{span.text}</span>) : text}
        </code>
      </pre>
      {language.toLowerCase() === "mermaid" && <Diagram source={text} />}
    </div>
  );
});

export function CopyButton({ text, label }: { text: string; label: string }) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), 1600);
    return () => clearTimeout(timer);
  }, [copied]);
  return (
    <button type="button" className={styles.copy} aria-label={label} title={label}
      onClick={() => void copy(text).then(() => setCopied(true), () => undefined)}>
      <Icon name={copied ? "check" : "copy"} size={14} />
      <span aria-hidden="true">{t(copied ? "Copied" : "Copy")}</span>
    </button>
  );
}

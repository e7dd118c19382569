import { memo, useEffect, useMemo, useState } from "react";
import { Icon } from "../ui/Icon";
import { useValue } from "../ui/store";
import styles from "./code.module.css";
import { highlighter, wantHighlighter } from "./highlight";

/** Code with its language, a button that copies it, and a scroll of its own. */
export const CodeBlock = memo(function CodeBlock({ text, language }: { text: string; language: string }) {
  useEffect(wantHighlighter, []);
  const highlight = useValue(highlighter);
  const spans = useMemo(() => (language ? (highlight?.(text, language.toLowerCase()) ?? null) : null), [highlight, text, language]);
  return (
    <div className={styles.block}>
      <div className={styles.head}>
        <span>{language || "code"}</span>
        <CopyButton text={text} label="Copy code" />
      </div>
      {/* It scrolls sideways on its own: the keyboard must reach it. */}
      <pre tabIndex={0} role="group" aria-label={`Code${language ? ` in ${language}` : ""}`}>
        <code>
          {spans ? spans.map((span, index) => <span key={index} className={span.look ? styles[span.look] : undefined}>{span.text}</span>) : text}
        </code>
      </pre>
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
      <span aria-hidden="true">{copied ? "Copied" : "Copy"}</span>
    </button>
  );
}

/** The clipboard is forbidden on plain http outside localhost; there the old way still works. */
async function copy(text: string): Promise<void> {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

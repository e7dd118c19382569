import { useEffect, useState } from "react";
import { useChat } from "../chat";
import type { Message, Version } from "../connection/contract";
import { sentence } from "../connection/errors";
import { t } from "../language/language";
import { Icon } from "../ui/Icon";
import styles from "./answer.module.css";

interface Leafing {
  /** The version that is shown, from 1. */
  number: number;
  count: number;
  /** An earlier version than the present one; null until it has come, and for the present one. */
  version: Version | null;
  error: string | null;
  go(number: number): void;
}

/** Which version of an answer is shown. A new version is shown when it begins. */
export function useVersions({ id, versions }: Message): Leafing {
  const chat = useChat();
  const count = versions ?? 1;
  const [chosen, setChosen] = useState({ number: count, of: count });
  const [version, setVersion] = useState<Version | null>(null);
  const [error, setError] = useState<string | null>(null);
  const number = chosen.of === count ? chosen.number : count;
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    setError(null);
    if (number === count) return;
    let wanted = true;
    chat.editing.version(id, number).then(
      (found) => wanted && setVersion(found),
      (failure: unknown) => wanted && setError(sentence(failure)),
    );
    return () => void (wanted = false);
  }, [chat, id, number, count, attempt]);
  return {
    number,
    count,
    version: number < count && version?.number === number ? version : null,
    error,
    go: (next) => {
      setChosen({ number: next, of: count });
      setAttempt(attempt + 1);
    },
  };
}

/** ‹ 2/3 › */
export function VersionSwitch({ leafing: { number, count, go } }: { leafing: Leafing }) {
  if (count === 1) return null;
  return (
    <span className={styles.versions} role="group" aria-label={t("Versions of the answer")}>
      <button type="button" className={styles.back} aria-label={t("Earlier version")} title={t("Earlier version")} disabled={number === 1} onClick={() => go(number - 1)}><Icon name="chevron" size={14} /></button>
      <span aria-live="polite"><span className="visually-hidden">{t("Version")}{" "}</span>{number}/{count}</span>
      <button type="button" className={styles.forth} aria-label={t("Later version")} title={t("Later version")} disabled={number === count} onClick={() => go(number + 1)}><Icon name="chevron" size={14} /></button>
    </span>
  );
}

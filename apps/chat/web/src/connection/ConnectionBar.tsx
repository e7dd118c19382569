import { useEffect, useState } from "react";
import { useChat } from "../chat";
import { t } from "../language/language";
import { useValue } from "../ui/store";
import { useNow } from "../ui/use-now";
import styles from "./connection.module.css";

const PATIENCE = 400;

/** One thin line while the connection is not there. It waits a moment, so that a quick start shows nothing. */
export function ConnectionBar() {
  const { connection } = useChat();
  const { phase, retryAt, waiting } = useValue(connection.state);
  const away = phase !== "live" && phase !== "signed-out";
  const [shown, setShown] = useState(false);
  useEffect(() => {
    if (!away) return setShown(false);
    const timer = setTimeout(() => setShown(true), PATIENCE);
    return () => clearTimeout(timer);
  }, [away]);
  const now = useNow(retryAt === null ? null : 250);
  if (waiting && phase === "live") {
    return <div className={styles.bar}>{t("Waiting for the network. What you write stays here until it has gone out.")}</div>;
  }
  if (!shown || !away) return null;
  if (phase === "offline") {
    return <div className={`${styles.bar} ${styles.offline}`}>{t("You are offline. What you write waits here and goes out later.")}</div>;
  }
  const seconds = retryAt === null ? 0 : Math.max(0, Math.ceil((retryAt - now) / 1000));
  return (
    <div className={styles.bar}>
      <span>{phase === "connecting" ? t("Connecting…") : retryAt === null ? t("Reconnecting…") : t("Connection lost. Next try in {seconds} s", { seconds })}</span>
      {retryAt !== null && <button type="button" onClick={() => connection.tryNow()}>{t("Try now")}</button>}
    </div>
  );
}

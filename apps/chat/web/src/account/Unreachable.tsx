import { t } from "../language/language";
import { usePage } from "../page";
import { Button } from "../ui/buttons";
import { Logo } from "../ui/Logo";
import { useNow } from "../ui/use-now";
import styles from "./entrance.module.css";
import { remaining } from "./refusals";

/** In place of the first screen while there is no server to ask. */
export function Unreachable({ retryAt }: { retryAt: number }) {
  const { session } = usePage();
  const seconds = remaining(retryAt, useNow(250));
  return (
    <main className={styles.gate}>
      <div className={styles.card}>
        <Logo size={44} />
        <h1>{t("The server cannot be reached")}</h1>
        <p role="status" className={styles.intro}>{t("It may be starting, or your network is down. The page tries by itself until it is back. What you have written is kept on this device.")}</p>
        <Button look="primary" onClick={() => void session.check()}>{seconds > 0 ? t("Try now (next try in {seconds} s)", { seconds }) : t("Trying…")}</Button>
      </div>
    </main>
  );
}

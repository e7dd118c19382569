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
        <h1>The server cannot be reached</h1>
        <p role="status" className={styles.intro}>It may be starting, or your network is down. The page tries by itself until it is back.</p>
        <Button look="primary" onClick={() => void session.check()}>{seconds > 0 ? `Try now (next try in ${seconds} s)` : "Trying…"}</Button>
      </div>
    </main>
  );
}

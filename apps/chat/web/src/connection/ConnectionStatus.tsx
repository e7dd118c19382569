import { useChat } from "../chat";
import { msg, t } from "../language/language";
import { Popover } from "../ui/Popover";
import { useValue } from "../ui/store";
import type { ConnectionState, Phase } from "./connection";
import styles from "./connection.module.css";
import { Diagnostics } from "./Diagnostics";

const WORDS: Record<Phase, string> = {
  "signed-out": msg("Signed out"),
  connecting: msg("Connecting"),
  live: msg("Live"),
  reconnecting: msg("Reconnecting"),
  offline: msg("Offline"),
};

/** The connection in a few words, always on the screen; behind it the details. */
export function ConnectionStatus() {
  const { connection } = useChat();
  const state = useValue(connection.state);
  return (
    <Popover label={t("Connection details")} side="below"
      trigger={(props) => (
        <div className={`${styles.status} ${looks(state)}`}>
          <span role="status" aria-label={t("Connection")} className={styles.text}>
            <span className={styles.dot} />
            <span className={styles.word}>{t(unheard(state) ? "Waiting for the network" : WORDS[state.phase])}</span>{" "}
            {state.transport && <span className={styles.detail}>· {state.transport}</span>}
          </span>
          <button type="button" className={styles.cover} aria-label={t("Diagnostics")} title={t("Connection details")} {...props} />
        </div>
      )}>
      {() => <Diagnostics />}
    </Popover>
  );
}

/** Is the connection open, as far as we know, but silent? */
function unheard(state: ConnectionState): boolean {
  return state.waiting && state.phase === "live";
}

function looks(state: ConnectionState): string {
  if (unheard(state)) return "";
  return (state.phase === "live" ? styles.live : state.phase === "offline" ? styles.offline : "") ?? "";
}

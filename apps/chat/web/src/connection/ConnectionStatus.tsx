import { useChat } from "../chat";
import { Popover } from "../ui/Popover";
import { useValue } from "../ui/store";
import type { ConnectionState, Phase } from "./connection";
import styles from "./connection.module.css";
import { Diagnostics } from "./Diagnostics";

const WORDS: Record<Phase, string> = {
  "signed-out": "Signed out",
  connecting: "Connecting",
  live: "Live",
  reconnecting: "Reconnecting",
  offline: "Offline",
};

/** The connection in a few words, always on the screen; behind it the details. */
export function ConnectionStatus() {
  const { connection } = useChat();
  const state = useValue(connection.state);
  return (
    <Popover label="Connection details" side="below"
      trigger={(props) => (
        <div className={`${styles.status} ${looks(state)}`}>
          <span role="status" aria-label="Connection" className={styles.text}>
            <span className={styles.dot} />
            <span className={styles.word}>{WORDS[state.phase]}</span>{" "}
            {state.transport && <span className={styles.detail}>· {state.transport}</span>}
          </span>
          <button type="button" className={styles.cover} aria-label="Diagnostics" title="Connection details" {...props} />
        </div>
      )}>
      {() => <Diagnostics />}
    </Popover>
  );
}

function looks(state: ConnectionState): string {
  return (state.phase === "live" ? styles.live : state.phase === "offline" ? styles.offline : "") ?? "";
}

import { useEffect } from "react";
import { useChat } from "../chat";
import { msg, t } from "../language/language";
import { useValue } from "../ui/store";
import styles from "./connection.module.css";
import type { TransportChoice } from "./hub-port";

const CHOICES: readonly [TransportChoice, string][] = [
  ["auto", msg("Automatic")],
  ["webSockets", msg("WebSockets")],
  ["serverSentEvents", msg("Server-Sent Events")],
  ["longPolling", msg("Long polling")],
];

const PING_EVERY = 2_000;

/** What goes on under the page, and the switch that forces a transport. */
export function Diagnostics() {
  const chat = useChat();
  const { connection } = chat;
  const state = useValue(connection.state);
  useEffect(() => {
    void connection.ping();
    const timer = setInterval(() => void connection.ping(), PING_EVERY);
    return () => clearInterval(timer);
  }, [connection]);
  return (
    <div className={styles.panel}>
      <h2>{t("Line to the server")}</h2>
      <dl className={styles.facts}>
        <dt>{t("Transport")}</dt>
        <dd>{state.transport ?? t("none")}</dd>
        <dt>{t("Round trip")}</dt>
        <dd>{state.rtt === null ? "–" : `${state.rtt} ms`}</dd>
        <dt>{t("Server")}</dt>
        <dd>{location.host}</dd>
        <dt>{t("Reconnects")}</dt>
        <dd>{state.reconnects}</dd>
      </dl>
      <fieldset className={styles.choices}>
        <legend>{t("Transport to use")}</legend>
        {CHOICES.map(([choice, label]) => (
          <label key={choice}>
            <input type="radio" name="transport" checked={state.choice === choice} onChange={() => chat.chooseTransport(choice)} />
            {t(label)}
          </label>
        ))}
      </fieldset>
    </div>
  );
}

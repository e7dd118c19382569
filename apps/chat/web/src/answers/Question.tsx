import type { Ask } from "@hubline/client";
import { useState } from "react";
import { useChat } from "../chat";
import type { Me } from "../connection/contract";
import { said, t } from "../language/language";
import { Button } from "../ui/buttons";
import styles from "./answer.module.css";
import type { Decider } from "./answers";

/** Something the assistant will not do before a person has agreed. Those who may decide have the buttons. */
export function Question({ messageId, ask, deciders, me }: { messageId: string; ask: Ask; deciders: readonly Decider[]; me: Me }) {
  const chat = useChat();
  const [decided, setDecided] = useState(false);
  const decide = (value: boolean) => {
    setDecided(true);
    void chat.decide(messageId, ask.askId, value).finally(() => setDecided(false));
  };
  const mine = deciders.some((each) => each.id === me.id);
  return (
    <div className={styles.question} role="group" aria-label={t("The assistant asks")}>
      <p role={mine ? "alert" : undefined}>{said(ask.prompt)}</p>
      {mine ? (
        <div className={styles.choice}>
          <Button look="danger" disabled={decided} onClick={() => decide(true)}>{t("Yes")}</Button>
          <Button disabled={decided} onClick={() => decide(false)}>{t("No")}</Button>
        </div>
      ) : (
        <p className={styles.wait}>
          <span className={styles.dot} />
          {waitingFor(deciders)}
        </p>
      )}
    </div>
  );
}

function waitingFor(deciders: readonly Decider[]): string {
  const names = deciders.slice(0, 3).map((each) => each.name);
  return names.length === 0 ? t("Nobody can decide this") : t("Waiting for {names}", { names: names.join(` ${t("or")} `) });
}

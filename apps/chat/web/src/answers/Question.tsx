import type { Ask } from "@hubline/client";
import { useState, type ReactNode } from "react";
import { useChat } from "../chat";
import type { Me, ToolUse } from "../connection/contract";
import { said, t } from "../language/language";
import { rich } from "../language/rich";
import { Button } from "../ui/buttons";
import styles from "./answer.module.css";
import type { Decider } from "./answers";
import { Arguments } from "./Arguments";
import { toolTitle } from "./tools";

interface Props {
  messageId: string;
  ask: Ask;
  /** The tool that waits for this decision, if it is about one. */
  use: ToolUse | undefined;
  deciders: readonly Decider[];
  me: Me;
}

/** Something the assistant will not do before a person has agreed. Those who may decide have the buttons. */
export function Question({ messageId, ask, use, deciders, me }: Props) {
  const chat = useChat();
  const [decided, setDecided] = useState(false);
  const decide = (value: boolean) => {
    setDecided(true);
    void chat.decide(messageId, ask.askId, value).finally(() => setDecided(false));
  };
  const mine = deciders.some((each) => each.id === me.id);
  return (
    <div className={styles.question} role="group" aria-label={t("The assistant asks")}>
      <p role={mine ? "alert" : undefined}>{use ? mayUse(use) : said(ask.prompt)}</p>
      {use && <Arguments input={use.input} />}
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

/** The names stand apart: letters that are written from the right do not move the words around them. */
function mayUse(use: ToolUse): ReactNode {
  const tool = <bdi>{toolTitle(use.title ?? use.name, use.server)}</bdi>;
  return use.server ? rich("Use “{tool}” of {server}?", { tool, server: <bdi>{use.server}</bdi> }) : rich("Use “{tool}”?", { tool });
}

function waitingFor(deciders: readonly Decider[]): string {
  const names = deciders.slice(0, 3).map((each) => each.name);
  return names.length === 0 ? t("Nobody can decide this") : t("Waiting for {names}", { names: names.join(` ${t("or")} `) });
}

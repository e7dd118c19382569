import { useState } from "react";
import { useChat } from "../chat";
import type { Assistant, Me, Model } from "../connection/contract";
import { Button } from "../ui/buttons";
import { Icon } from "../ui/Icon";
import { Popover } from "../ui/Popover";
import { useValue } from "../ui/store";
import styles from "./budget.module.css";

export const PREMIUM_REFUSED = "Premium answers are for premium users. Ask an administrator.";

const NAMES: Record<Model, string> = { standard: "Standard", premium: "Premium" };

/** The model a question really goes to: what was chosen, as far as the person may. */
export function modelFor(chosen: Model, me: Me): Model {
  return me.tier === "premium" ? chosen : "standard";
}

/** Which model answers the next question. Those who may not have the premium one see what it is, and why not. */
export function ModelChoice({ model, onChoose }: { model: Model; onChoose(model: Model): void }) {
  const chat = useChat();
  const assistant = useValue(chat.assistant);
  const me = useValue(chat.me);
  const used = modelFor(model, me);
  return (
    <Popover label="Model" side="above" atParent
      trigger={(props) => (
        <Button look="chip" aria-label={`Model: ${NAMES[used]}`} title="Which model answers" {...props}>
          {used === "premium" && <Icon name="bolt" size={14} />}
          {NAMES[used]}
          <Icon name="chevron" size={14} />
        </Button>
      )}>
      {(close) => (
        <Choice used={used} assistant={assistant} allowed={me.tier === "premium"}
          onChoose={(next) => {
            onChoose(next);
            close();
          }} />
      )}
    </Popover>
  );
}

interface ChoiceProps {
  used: Model;
  assistant: Assistant | null;
  allowed: boolean;
  onChoose(model: Model): void;
}

function Choice({ used, assistant, allowed, onChoose }: ChoiceProps) {
  const [refused, setRefused] = useState(false);
  const longer = "Longer answers of the same model";
  return (
    <div className={styles.choice}>
      <fieldset>
        <legend>Who answers</legend>
        <label>
          <input type="radio" name="model" checked={used === "standard"} onChange={() => onChoose("standard")} />
          <strong>Standard</strong>
          <span />
          <small>{assistant?.model}</small>
        </label>
        <label>
          <input type="radio" name="model" checked={used === "premium"} aria-describedby={allowed ? undefined : "premium-refused"}
            onChange={() => (allowed ? onChoose("premium") : setRefused(true))} />
          <strong>Premium</strong>
          <Icon name={allowed ? "bolt" : "lock"} size={16} />
          <small>{assistant?.premiumModel ?? longer}</small>
        </label>
      </fieldset>
      {!allowed && !refused && <span id="premium-refused" className="visually-hidden">For premium users only.</span>}
      {refused && <p id="premium-refused" role="alert" className={styles.refusal}>{PREMIUM_REFUSED}</p>}
    </div>
  );
}

import { useState } from "react";
import { useChat } from "../chat";
import type { Model, Room } from "../connection/contract";
import { t } from "../language/language";
import { mayRule } from "../rooms/RoomSettings";
import { Button } from "../ui/buttons";
import { Icon } from "../ui/Icon";
import { Popover } from "../ui/Popover";
import { useValue } from "../ui/store";
import styles from "./budget.module.css";
import { chosenIn, described, mayUse, mineIn, refusalOf } from "./models";

/** Which model answers in a room: chosen for all who are there. What I may not use is shown, and why not. */
export function ModelChoice({ room }: { room: Room }) {
  const chat = useChat();
  const assistant = useValue(chat.assistant);
  const me = useValue(chat.me);
  const mine = mineIn(room, assistant, me);
  if (!assistant || assistant.models.length < 2) return null;
  const name = mine?.name ?? t("none");
  return (
    <Popover label={t("Model")} side="above" atParent
      trigger={(props) => (
        <Button look="chip" aria-label={t("Model: {name}", { name })} title={t("Which model answers here")} {...props}>
          <span className={styles.name}>{name}</span>
          <Icon name="chevron" size={14} />
        </Button>
      )}>
      {(close) => <Choice room={room} onChosen={close} />}
    </Popover>
  );
}

function Choice({ room, onChosen }: { room: Room; onChosen(): void }) {
  const chat = useChat();
  const assistant = useValue(chat.assistant);
  const me = useValue(chat.me);
  const [refused, setRefused] = useState<string | null>(null);
  const chosen = chosenIn(room, assistant);
  const mine = mineIn(room, assistant, me);
  const choose = (model: Model) => {
    if (!mayUse(model, me)) return setRefused(refusalOf(model));
    if (me.role === "guest" && !mayRule(room, me)) return setRefused(t("People with an account choose the model here."));
    onChosen();
    void chat.attempt(t("The model could not be chosen"), () => chat.rooms.choose(room.id, model.id));
  };
  return (
    <div className={styles.choice}>
      <fieldset>
        <legend>{t(room.isConversation ? "Who answers here" : "Who answers here, for everybody")}</legend>
        {assistant?.models.map((model) => (
          <label key={model.id}>
            <input type="radio" name="model" checked={model.id === chosen?.id} aria-describedby={`model-${model.id}`} onChange={() => choose(model)} />
            <strong>{model.name}</strong>
            {mayUse(model, me) ? <span /> : <Icon name="lock" size={16} />}
            <small id={`model-${model.id}`}>
              {described(model, assistant.currency)}
              {!mayUse(model, me) && <span className="visually-hidden">{" "}{t("Not for your account.")}</span>}
            </small>
          </label>
        ))}
      </fieldset>
      {mine && chosen && mine.id !== chosen.id && <p className={styles.other}>{t("Your questions go to {model}: {reason}", { model: mine.name, reason: refusalOf(chosen) })}</p>}
      {refused && <p role="alert" className={styles.refusal}>{refused}</p>}
    </div>
  );
}

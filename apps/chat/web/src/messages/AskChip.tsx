import { t } from "../language/language";
import { rich } from "../language/rich";
import { Button } from "../ui/buttons";
import { Icon } from "../ui/Icon";
import type { Asking } from "./asking";
import styles from "./composer.module.css";

interface Props {
  asking: Asking;
  /** The assistant's name, if the server's owner has given it one. */
  name: string | undefined;
  onToggle(): void;
}

/** Says before a message is sent whether it asks the assistant; where the text or the room has not decided that, it decides. */
export function AskChip({ asking, name, onToggle }: Props) {
  const decided = asking === "mention" || asking === "room";
  const titles = {
    mention: name ? t("This message names {name}, who answers it to everyone here", { name }) : t("This message names the assistant, who answers it to everyone here"),
    room: name ? t("{name} answers every message in this room", { name }) : t("The assistant answers every message in this room"),
    asked: t("Send to the assistant; everyone here sees the answer"),
  };
  return (
    <Button look="chip" aria-label={decided ? undefined : t("Ask the assistant")} aria-pressed={asking !== null} disabled={decided}
      title={titles[asking ?? "asked"]} onClick={onToggle}>
      <Icon name="spark" size={16} />
      {decided ? <span>{name ? rich("Asks {name}", { name: whom(name) }) : rich("Asks {assistant}", { assistant: whom(t("the assistant")) })}</span> : t("Ask")}
    </Button>
  );
}

function whom(name: string) {
  return <span className={styles["ask-name"]}>{name}</span>;
}

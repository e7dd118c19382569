import { toolTitle } from "../answers/tools";
import { mayUse } from "../budget/models";
import { useChat } from "../chat";
import type { Model } from "../connection/contract";
import { t } from "../language/language";
import { useValue } from "../ui/store";
import styles from "./details.module.css";

/** What the assistant may use for my questions, if the model of the room uses tools. */
export function RoomTools({ model }: { model: Model | undefined }) {
  const chat = useChat();
  const me = useValue(chat.me);
  const tools = useValue(chat.assistant)?.tools?.filter((tool) => mayUse(tool, me)) ?? [];
  if (!model?.takesTools || tools.length === 0) return null;
  return (
    <section>
      <h3>{t("Tools of the assistant")}</h3>
      <ul className={styles.tools}>
        {tools.map((tool) => (
          <li key={`${tool.server} ${tool.title}`}>
            {toolTitle(tool.title, tool.server)}
            {(tool.server ?? tool.asks) && <small>{[tool.server, tool.asks ? t("asks before") : null].filter(Boolean).join(" · ")}</small>}
          </li>
        ))}
      </ul>
    </section>
  );
}

import { placeInLine } from "../answers/AnswerRow";
import { assistantName } from "../answers/names";
import { BudgetMeter } from "../budget/BudgetMeter";
import { chosenIn, described, mineIn } from "../budget/models";
import { useChat } from "../chat";
import { isRunning, type Assistant, type Message, type Room } from "../connection/contract";
import { PersonMenu } from "../conversations/Pair";
import { msg, plural, t } from "../language/language";
import { Avatar } from "../ui/Avatar";
import { Button, IconButton } from "../ui/buttons";
import { useValue } from "../ui/store";
import { Members } from "./Members";
import { retentionOf, retentionSentence } from "./retention";
import { isAside } from "./pairs";
import { RoomRule, Rulers } from "./RoomRule";
import { mayRule } from "./RoomSettings";
import { RoomTools } from "./RoomTools";
import { topicOf } from "./title";
import styles from "./details.module.css";

/** The right zone: the assistant, who is here with how many devices, and the answers under way. */
export function RoomDetails({ room, onClose, onWritten }: { room: Room; onClose(): void; onWritten(): void }) {
  const chat = useChat();
  const view = useValue(chat.rooms.view(room.id));
  const assistant = useValue(chat.assistant);
  const me = useValue(chat.me);
  const server = useValue(chat.retentionDays);
  const models = assistant?.models ?? [];
  const model = chosenIn(room, assistant);
  const running = view.messages.filter((message) => isRunning(message.answer));
  return (
    <aside className={styles.details} aria-label={t("Room details")}>
      <header>
        <h2>{t("Details")}</h2>
        <IconButton icon="close" label={t("Close the details")} onClick={onClose} />
      </header>
      {assistant && (
        <section>
          <h3>{t("Assistant")}</h3>
          <div className={styles.person}>
            <Avatar person={{ id: "assistant", name: assistant.name, kind: "assistant" }} />
            <div>
              {assistantName(assistant.name)}
              <small>{models.length > 1 && model ? t("{name} answers here", { name: model.name }) : assistant.model}</small>
              {models.length > 1 && model && <small>{described(model, assistant.currency)}</small>}
              <small>{assistantState(assistant)}</small>
            </div>
          </div>
        </section>
      )}
      <section>
        <h3>{t("Your questions today")}</h3>
        <BudgetMeter />
      </section>
      {running.length > 0 && (
        <section>
          <h3>{t("Answers under way")}</h3>
          <ul>{running.map((message) => <RunningAnswer key={message.id} message={message} />)}</ul>
        </section>
      )}
      {room.isPrivate && !room.isConversation && <Members room={room} onWritten={onWritten} />}
      {!room.isPair && <Here room={room} onWritten={onWritten} />}
      {room.topic && (
        <section>
          <h3>{t("Topic")}</h3>
          <p>{topicOf(room)}</p>
        </section>
      )}
      {mayRule(room, me) ? <RoomRule room={room} /> : !isAside(room) && <Rulers room={room} />}
      {view.prompt && (
        <section>
          <h3>{t("What the assistant is told here")}</h3>
          <p className={styles.prompt} dir="auto">{view.prompt}</p>
        </section>
      )}
      <section>
        <h3>{t("Messages")}</h3>
        <p>{retentionSentence(retentionOf(room, server))}</p>
        <p className={styles.export}>
          {t("Download:")} <a href={chat.uploads.server.exportUrl(room.id, "markdown")} download>Markdown</a>{" "}
          <a href={chat.uploads.server.exportUrl(room.id, "json")} download>JSON</a>
        </p>
      </section>
      <RoomTools model={mineIn(room, assistant, me)} />
    </aside>
  );
}

/** Who is in the room. Of a conversation of two, the list of its members says whether they are here. */
function Here({ room, onWritten }: { room: Room; onWritten(): void }) {
  const chat = useChat();
  const me = useValue(chat.me);
  const people = useValue(chat.presence.people);
  return (
    <section>
      <h3>{t("Here now")} · {people.length}</h3>
      {people.length === 0 && <p>{t("Nobody is here at the moment.")}</p>}
      <ul>
        {people.map((person) => (
          <li key={person.id} className={styles.person}>
            <Avatar person={person} />
            <div>
              {person.name}
              {person.id === me.id && <> {t("(you)")}</>}
              <small>{room.owners?.includes(person.id) && !isAside(room) && <>{t("owner")} · </>}{plural(person.devices, "1 device", "{count} devices")}</small>
            </div>
            <PersonMenu person={person} onDone={onWritten} />
          </li>
        ))}
      </ul>
    </section>
  );
}

/** What an answer under way does. */
const PHASES: Readonly<Record<string, string>> = { running: msg("running"), waiting: msg("waiting"), thinking: msg("thinking"), answering: msg("answering") };

function RunningAnswer({ message }: { message: Message }) {
  const chat = useChat();
  const live = useValue(chat.answers.watch(message.id));
  const answer = live?.answer ?? message.answer;
  if (!answer) return null;
  return (
    <li className={styles.person}>
      <Avatar person={answer.askedBy} size={24} />
      <div>
        {t("to {name}", { name: answer.askedBy.name })}
        <small>{live?.phase === "queued" ? placeInLine(live.place, false) : t(PHASES[live?.phase ?? answer.state] ?? live?.phase ?? answer.state)}</small>
      </div>
      <Button look="link" aria-label={t("End the answer to {name}", { name: answer.askedBy.name })} onClick={() => void chat.stop(message.id)}>{t("End")}</Button>
    </li>
  );
}

function assistantState(assistant: Assistant): string {
  const word = t({ starting: "getting ready", ready: "ready", failed: "not available" }[assistant.state]);
  return assistant.detail && assistant.state !== "ready" ? `${word} · ${assistant.detail}` : word;
}

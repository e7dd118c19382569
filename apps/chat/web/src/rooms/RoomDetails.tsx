import { placeInLine } from "../answers/AnswerRow";
import { BudgetMeter } from "../budget/BudgetMeter";
import { useChat } from "../chat";
import { isRunning, type Assistant, type Message, type Person, type Room } from "../connection/contract";
import { Avatar } from "../ui/Avatar";
import { Button, IconButton } from "../ui/buttons";
import { useValue } from "../ui/store";
import { Members } from "./Members";
import styles from "./details.module.css";

/** The right zone: the assistant, who is here with how many devices, and the answers under way. */
export function RoomDetails({ room, onClose }: { room: Room; onClose(): void }) {
  const chat = useChat();
  const view = useValue(chat.rooms.view(room.id));
  const assistant = useValue(chat.assistant);
  const me = useValue(chat.me);
  const people = view.people.filter((person) => person.kind === "person");
  const running = view.messages.filter((message) => isRunning(message.answer));
  return (
    <aside className={styles.details} aria-label="Room details">
      <header>
        <h2>Details</h2>
        <IconButton icon="close" label="Close the details" onClick={onClose} />
      </header>
      {assistant && (
        <section>
          <h3>Assistant</h3>
          <div className={styles.person}>
            <Avatar person={{ id: "assistant", name: assistant.name, kind: "assistant" }} />
            <div>
              {assistant.name}
              <small>{assistant.model}</small>
              <small>{assistantState(assistant)}</small>
            </div>
          </div>
        </section>
      )}
      <section>
        <h3>Your questions today</h3>
        <BudgetMeter />
      </section>
      {running.length > 0 && (
        <section>
          <h3>Answers under way</h3>
          <ul>{running.map((message) => <RunningAnswer key={message.id} message={message} />)}</ul>
        </section>
      )}
      {room.isPrivate && <Members room={room} />}
      <section>
        <h3>Here now · {people.length}</h3>
        {people.length === 0 && <p>Nobody is here at the moment.</p>}
        <ul>
          {people.map((person) => (
            <li key={person.id} className={styles.person}>
              <Avatar person={person} />
              <div>
                {person.name}
                {person.id === me.id && " (you)"}
                <small>{devices(person)}</small>
              </div>
            </li>
          ))}
        </ul>
      </section>
      {room.topic && (
        <section>
          <h3>Topic</h3>
          <p>{room.topic}</p>
        </section>
      )}
    </aside>
  );
}

function RunningAnswer({ message }: { message: Message }) {
  const chat = useChat();
  const live = useValue(chat.answers.watch(message.id));
  const answer = live?.answer ?? message.answer;
  if (!answer) return null;
  return (
    <li className={styles.person}>
      <Avatar person={answer.askedBy} size={24} />
      <div>
        to {answer.askedBy.name}
        <small>{live?.phase === "queued" ? placeInLine(live.place, false) : (live?.phase ?? answer.state)}</small>
      </div>
      <Button look="link" aria-label={`End the answer to ${answer.askedBy.name}`} onClick={() => void chat.stop(message.id)}>End</Button>
    </li>
  );
}

function devices(person: Person): string {
  return person.devices > 1 ? `${person.devices} devices` : "1 device";
}

function assistantState(assistant: Assistant): string {
  const word = { starting: "getting ready", ready: "ready", failed: "not available" }[assistant.state];
  return assistant.detail && assistant.state !== "ready" ? `${word} · ${assistant.detail}` : word;
}

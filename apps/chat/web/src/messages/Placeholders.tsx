import { useChat } from "../chat";
import { Button } from "../ui/buttons";
import { Icon } from "../ui/Icon";
import { Skeleton } from "../ui/Skeleton";
import { useValue } from "../ui/store";
import styles from "./timeline.module.css";

const WIDTHS = [62, 88, 40, 75, 54, 92];

export function LoadingRoom() {
  return (
    <div role="img" aria-label="Loading the conversation">
      {WIDTHS.map((width) => <Skeleton key={width} avatar lines={[24, width]} />)}
    </div>
  );
}

export function RoomFailed({ roomId, error }: { roomId: string; error: string | null }) {
  const chat = useChat();
  return (
    <div className={styles.empty}>
      <Icon name="warning" size={32} />
      <h2>This room could not be opened</h2>
      <p>{error} Try again, or choose another room.</p>
      <div className={styles.actions}>
        <Button look="primary" onClick={() => void chat.rooms.retry(roomId)}>Retry</Button>
      </div>
    </div>
  );
}

const QUESTIONS = ["Explain quantum physics in three sentences", "Write a haiku about an open line", "Show a hello-world in Python"];

export function EmptyRoom({ roomId }: { roomId: string }) {
  const chat = useChat();
  const room = useValue(chat.rooms.list)?.find((each) => each.id === roomId);
  const assistant = useValue(chat.assistant);
  return (
    <div className={styles.empty}>
      <Icon name="spark" size={32} />
      <h2>{room?.name ?? "This room"} is quiet</h2>
      <p>Write the first message below, or ask {assistant?.name ?? "the assistant"}: everybody here sees the answer grow.</p>
      <div className={styles.suggestions}>
        {QUESTIONS.map((question) => (
          <button type="button" key={question} onClick={() => chat.send(roomId, question, true)}>{question}</button>
        ))}
      </div>
    </div>
  );
}

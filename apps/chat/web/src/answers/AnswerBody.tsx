import styles from "./answer.module.css";
import { Markdown } from "./Markdown";
import type { Piece } from "./pieces";
import { ToolDetails } from "./ToolDetails";

interface Props {
  pieces: readonly Piece[];
  /** Its answer goes on. */
  running: boolean;
  /** Its last text is being written. */
  growing: boolean;
  /** This is how it is now. */
  live: boolean;
}

/** What an answer says, and in between the tools it used. */
export function AnswerBody({ pieces, running, growing, live }: Props) {
  return pieces.map((piece, index) => {
    if (piece.kind === "tool") return <ToolDetails key={piece.use.toolCallId} use={piece.use} running={running} />;
    const grows = growing && index === pieces.length - 1;
    return (
      <div key={index} className={`${styles.text} ${grows && live ? styles.growing : ""}`} data-answer-text>
        <Markdown text={piece.text} growing={grows} />
      </div>
    );
  });
}

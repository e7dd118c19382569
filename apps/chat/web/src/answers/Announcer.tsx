import { useChat } from "../chat";
import { useValue } from "../ui/store";
import { howItEnded } from "./AnswerRow";
import { nameOf } from "./names";
import { plainText } from "./plain";

/** Tells screen readers of finished answers, once each; never of single words. */
export function Announcer() {
  const { finished, me } = useChat();
  const reader = useValue(me);
  const message = useValue(finished);
  return (
    <div className="visually-hidden" aria-live="polite" aria-atomic="true">
      {message?.answer && (
        <span key={message.id}>
          {nameOf(message.author)}: {plainText(message.text)}
          {message.answer.state !== "completed" && ` ${howItEnded(message.answer, reader)}.`}
        </span>
      )}
    </div>
  );
}

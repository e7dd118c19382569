import { useChat } from "../chat";
import { asSentence } from "../language/sentences";
import { useValue } from "../ui/store";
import { howItEnded } from "./HowItEnded";
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
          {message.answer.state !== "completed" && ` ${asSentence(howItEnded(message.answer, reader))}`}
        </span>
      )}
    </div>
  );
}

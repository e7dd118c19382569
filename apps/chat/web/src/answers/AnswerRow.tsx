import { useState } from "react";
import { useChat } from "../chat";
import { isRunning, type Answer, type Me, type Message, type Person } from "../connection/contract";
import { duration } from "../messages/dates";
import { Row } from "../messages/Row";
import { Icon } from "../ui/Icon";
import { useValue } from "../ui/store";
import { useNow } from "../ui/use-now";
import styles from "./answer.module.css";
import type { LiveAnswer } from "./answers";
import { CopyButton } from "./CodeBlock";
import { Markdown } from "./Markdown";
import { Question } from "./Question";
import { Reasoning } from "./Reasoning";

/** An answer of the assistant: waiting, growing, or ended. It alone is drawn again when its text grows. */
export function AnswerRow({ message }: { message: Message }) {
  const chat = useChat();
  const me = useValue(chat.me);
  const live = useValue(chat.answers.watch(message.id));
  if (!live) return null;
  const { answer, phase, text } = live;
  const running = isRunning(answer);
  const mine = answer.askedBy.id === me.id;
  return (
    <Row author={message.author} sentAt={message.sentAt} note={`to ${mine ? "you" : answer.askedBy.name}${answer.model === "premium" ? " · premium" : ""}`} state={phase}>
      {live.reasoning !== "" && <Reasoning text={live.reasoning} growing={phase === "thinking"} />}
      {text !== "" && (
        <div className={`${styles.text} ${phase === "answering" && live.live ? styles.growing : ""}`} data-answer-text>
          <Markdown text={text} growing={phase === "answering"} />
        </div>
      )}
      {running && (text === "" || phase === "queued") && <Waiting live={live} mine={mine} />}
      {live.asks.map((ask) => <Question key={ask.askId} messageId={message.id} ask={ask} deciders={live.deciders} me={me} />)}
      {!running && <End id={message.id} answer={answer} text={text} />}
    </Row>
  );
}

/** The row of an answer the server has not made yet. */
export function ExpectedRow({ author, since }: { author: Person; since: number }) {
  return (
    <Row author={author} sentAt={new Date(since).toISOString()} note="to you" state="thinking">
      <Thinking since={since} elapsed={0} />
    </Row>
  );
}

const WORDS: Record<string, string> = { starting: "the model is getting ready", busy: "the model is busy in another room" };

function Waiting({ live: { answer, phase, place, status, since }, mine }: { live: LiveAnswer; mine: boolean }) {
  const words = phase === "queued" ? placeInLine(place, mine) : WORDS[status ?? ""];
  if (words) return <div className={styles.wait}><span className={styles.dot} />{words}</div>;
  return <Thinking since={since} elapsed={answer.elapsed} />;
}

function Thinking({ since, elapsed }: { since: number; elapsed: number }) {
  const now = useNow(100);
  return (
    <div className={styles.wait}>
      <span className={styles.dot} />
      <span>thinking · {duration(elapsed + Math.max(0, now - since) / 1000)}</span>
    </div>
  );
}

export function placeInLine(place: number, mine: boolean): string {
  const whose = mine ? "yours" : "this one";
  if (place <= 0) return "next in line";
  return place === 1 ? `1 question before ${whose}` : `${place} questions before ${whose}`;
}

function End({ id, answer, text }: { id: string; answer: Answer; text: string }) {
  const chat = useChat();
  const [asked, setAsked] = useState(false);
  const me = useValue(chat.me);
  const budget = useValue(chat.budget);
  const done = answer.state === "completed" && !answer.error;
  const limited = answer.state === "limited";
  // Until the budget is renewed another try would be refused.
  const later = limited && answer.askedBy.id === me.id && budget?.left === 0;
  const once = (work: Promise<void>) => {
    setAsked(true);
    void work.finally(() => setAsked(false));
  };
  return (
    <div className={styles.end}>
      <span className={`${styles.why} ${answer.state === "failed" ? styles.failed : ""}`}>
        {limited && <Icon name="clock" size={14} />}
        {howItEnded(answer, me)}
      </span>
      {text !== "" && <CopyButton text={text} label="Copy answer" />}
      {!later && (
        <>
          {answer.state !== "completed" && text !== "" && (
            <button type="button" className={styles.strong} onClick={() => once(chat.goOn(id))} disabled={asked}>
              <Icon name="play" size={14} />
              Continue
            </button>
          )}
          <button type="button" className={done || text !== "" ? "" : styles.strong} onClick={() => once(chat.again(id))} disabled={asked}>
            <Icon name="again" size={14} />
            Try again
          </button>
        </>
      )}
    </div>
  );
}

/** How an answer ended, in a few words for the reader `me`. */
export function howItEnded(answer: Answer, me: Me): string {
  const time = duration(answer.elapsed);
  switch (answer.state) {
    case "stopped":
      return `Stopped after ${time}`;
    case "interrupted":
      return answer.error ?? "Interrupted before it was finished";
    case "limited":
      // The server's sentence is for whose tokens they were.
      if (answer.askedBy.id !== me.id) return `The tokens of ${answer.askedBy.name} for today are used up, so the answer ends here.`;
      return answer.error ?? "Your tokens for today are used up, so the answer ends here.";
    case "failed":
      return answer.error ?? "The assistant could not answer";
    default:
      return answer.error ? `${time} · ${answer.error}` : time;
  }
}

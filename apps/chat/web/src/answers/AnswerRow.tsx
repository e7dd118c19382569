import { useState, type ReactNode } from "react";
import { useChat } from "../chat";
import { unusual } from "../budget/models";
import { isRunning, type Answer, type Me, type Message, type Person } from "../connection/contract";
import { msg, plural, t } from "../language/language";
import { duration } from "../messages/dates";
import { MessageActions } from "../messages/MessageActions";
import { Reactions } from "../messages/Reactions";
import { Row } from "../messages/Row";
import { Icon } from "../ui/Icon";
import { useStore, useValue } from "../ui/store";
import { useNow } from "../ui/use-now";
import styles from "./answer.module.css";
import type { LiveAnswer } from "./answers";
import { askedElsewhere } from "./asked";
import { AnswerBody } from "./AnswerBody";
import { CopyButton } from "./CodeBlock";
import { howItEnded, HowItEnded } from "./HowItEnded";
import { askedFor, storedPieces } from "./pieces";
import { plainText } from "./plain";
import { Question } from "./Question";
import { Reasoning } from "./Reasoning";
import { useVersions, VersionSwitch } from "./Versions";

/** An answer of the assistant: waiting, growing, or ended. It alone is drawn again when its text grows. */
export function AnswerRow({ message }: { message: Message }) {
  const chat = useChat();
  const me = useValue(chat.me);
  const assistant = useValue(chat.assistant);
  const live = useValue(chat.answers.watch(message.id));
  const versions = useVersions(message);
  const question = useStore(chat.rooms.view(message.roomId), (view) => askedElsewhere(view.messages).get(message.id));
  if (!live) return null;
  const { answer, phase, text } = live;
  const model = unusual(answer.model, assistant);
  const running = isRunning(answer);
  const mine = answer.askedBy.id === me.id;
  const leafing = <VersionSwitch leafing={versions} />;
  if (versions.number < versions.count) {
    return <EarlierVersion message={message} versions={versions} me={me} />;
  }
  return (
    <Row id={message.id} menu={<MessageActions message={message} />} author={message.author} sentAt={message.sentAt} note={`${mine ? t("to you") : t("to {name}", { name: answer.askedBy.name })}${model === null ? "" : ` · ${model}`}`} state={phase}>
      {question && <p className={styles.asked} dir="auto" title={question.text}><span className="visually-hidden">{t("Answers:")}{" "}</span>{plainText(question.text)}</p>}
      {live.reasoning !== "" && <Reasoning text={live.reasoning} growing={phase === "thinking"} />}
      <AnswerBody pieces={live.pieces} running={running} growing={phase === "answering"} live={live.live} />
      {running && phase !== "waiting" && (live.pieces.at(-1)?.kind !== "text" || phase === "queued") && <Waiting live={live} mine={mine} />}
      {live.asks.map((ask) => <Question key={ask.askId} messageId={message.id} ask={ask} use={askedFor(live.pieces)} deciders={live.deciders} me={me} />)}
      {running && versions.count > 1 && <div className={styles.end}>{leafing}</div>}
      {!running && <Reactions message={message} />}
      {!running && <End id={message.id} answer={answer} text={text} leafing={leafing} />}
    </Row>
  );
}

/** An answer as it was before it was made anew. */
function EarlierVersion({ message, versions, me }: { message: Message; versions: ReturnType<typeof useVersions>; me: Me }) {
  const { version, error } = versions;
  return (
    <Row id={message.id} menu={<MessageActions message={message} />} author={message.author} sentAt={message.sentAt} note={t("earlier version")} state="earlier">
      {version && version.answer.reasoning !== "" && <Reasoning text={version.answer.reasoning} growing={false} />}
      {version && <AnswerBody pieces={storedPieces(version.text, version.answer.tools)} running={false} growing={false} live />}
      {!version && !error && <div className={styles.wait}>{t("Loading…")}</div>}
      {error && <p role="alert" className={styles.failed}>{error} <button type="button" onClick={() => versions.go(versions.number)}>{t("Retry")}</button></p>}
      <div className={styles.end}>
        <VersionSwitch leafing={versions} />
        {version && <span className={styles.why}>{howItEnded(version.answer, me)}</span>}
        {version && <CopyButton text={version.text} label={t("Copy answer")} />}
      </div>
    </Row>
  );
}

/** The row of an answer the server has not made yet. */
export function ExpectedRow({ author, since }: { author: Person; since: number }) {
  return (
    <Row author={author} sentAt={new Date(since).toISOString()} note={t("to you")} state="thinking">
      <Thinking since={since} elapsed={0} />
    </Row>
  );
}

const WORDS: Record<string, string> = { starting: msg("the model is getting ready"), busy: msg("the model is busy in another room") };

function Waiting({ live: { answer, phase, place, status, tool, since }, mine }: { live: LiveAnswer; mine: boolean }) {
  const words = phase === "queued" ? placeInLine(place, mine) : tool !== null ? t("using {tool}", { tool }) : t(WORDS[status ?? ""] ?? "");
  if (words) return <div className={styles.wait}><span className={styles.dot} />{words}</div>;
  return <Thinking since={since} elapsed={answer.elapsed} />;
}

function Thinking({ since, elapsed }: { since: number; elapsed: number }) {
  const now = useNow(100);
  return (
    <div className={styles.wait}>
      <span className={styles.dot} />
      <span>{t("thinking · {time}", { time: duration(elapsed + Math.max(0, now - since) / 1000) })}</span>
    </div>
  );
}

export function placeInLine(place: number, mine: boolean): string {
  if (place <= 0) return t("next in line");
  return mine
    ? plural(place, "1 question before yours", "{count} questions before yours")
    : plural(place, "1 question before this one", "{count} questions before this one");
}

function End({ id, answer, text, leafing }: { id: string; answer: Answer; text: string; leafing: ReactNode }) {
  const chat = useChat();
  const [asked, setAsked] = useState(false);
  const me = useValue(chat.me);
  const budget = useValue(chat.budget);
  const currency = useValue(chat.assistant)?.currency ?? "USD";
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
      {leafing}
      <HowItEnded answer={answer} me={me} currency={currency} />
      {text !== "" && <CopyButton text={text} label={t("Copy answer")} />}
      {!later && (
        <>
          {(answer.state !== "completed" || answer.canGoOn) && text !== "" && (
            <button type="button" className={styles.strong} onClick={() => once(chat.goOn(id))} disabled={asked}>
              <Icon name="play" size={14} />
              {t("Continue")}
            </button>
          )}
          <button type="button" className={done || text !== "" ? "" : styles.strong} onClick={() => once(chat.again(id))} disabled={asked}>
            <Icon name="again" size={14} />
            {t("Try again")}
          </button>
        </>
      )}
    </div>
  );
}

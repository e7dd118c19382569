import { useEffect, useRef, useState, type KeyboardEvent, type MouseEvent } from "react";
import { ownName } from "../answers/names";
import { obstacle } from "../budget/budget";
import { ModelChoice } from "../budget/ModelChoice";
import { mineIn } from "../budget/models";
import { useChat } from "../chat";
import { t } from "../language/language";
import { Icon } from "../ui/Icon";
import { useValue } from "../ui/store";
import { useGrown } from "../ui/use-grown";
import { useNow } from "../ui/use-now";
import { AttachButton, Attachments, useFiles } from "./Attachments";
import { AskChip } from "./AskChip";
import { askingOf } from "./asking";
import { ComposerNotices } from "./ComposerNotices";
import styles from "./composer.module.css";
import { candidatesFor, mentionAt, type Candidate } from "./completion";
import { CompletionList, optionId } from "./CompletionList";
import { CHARACTERS_LIMIT, excess, nearLimit } from "./outbox";
import { blindTo } from "./uploads";
import { ReplyingTo } from "./Quoted";
import { useDraft } from "./use-draft";
import { useRunning } from "./use-running";

const TYPING_EVERY = 2_000;
const BUDGET_EVERY = 30_000;

/** Where messages and questions are written. Keyed by its room: each room has its own draft. */
export function Composer({ roomId, roomName }: { roomId: string; roomName: string }) {
  const chat = useChat();
  const assistant = useValue(chat.assistant);
  const people = useValue(chat.presence.people);
  const room = useValue(chat.rooms.list)?.find((each) => each.id === roomId);
  const me = useValue(chat.me);
  const budget = useValue(chat.budget);
  const now = useNow(BUDGET_EVERY);
  const [draft, write] = useDraft(roomId);
  const [caret, setCaret] = useState(0);
  const [dismissed, setDismissed] = useState(-1);
  const [chosen, setChosen] = useState(0);
  const input = useRef<HTMLTextAreaElement>(null);
  const typedAt = useRef(0);
  const running = useRunning(roomId);
  const files = useFiles(roomId);

  useGrown(input, draft.text);
  useEffect(() => {
    if (!isTouch()) input.current?.focus();
  }, []);

  const mention = mentionAt(draft.text, caret);
  const others = people.filter((person) => person.id !== me.id);
  const candidates = mention && mention.from !== dismissed ? candidatesFor(mention.query, others, assistant) : [];
  const active = Math.min(chosen, candidates.length - 1);
  const empty = draft.text.trim() === "" && files.all.length === 0;
  const over = excess(draft.text);
  const tooLong = over > 0;
  const near = nearLimit(draft.text);
  const asking = askingOf(draft, assistant?.name, room);
  // In the assistant's room a plain message is posted all the same.
  const poor = asking ? obstacle(budget, now, asking === "room") : null;
  const stopped = asking === "room" ? null : poor;
  const cannotSend = empty || tooLong || files.busy || stopped !== null;
  const canStop = running.id !== null;
  const name = ownName(assistant);

  const changed = (text: string, at: number) => {
    write({ ...draft, text });
    setCaret(at);
    setChosen(0);
    setDismissed(-1);
    if (text && Date.now() - typedAt.current > TYPING_EVERY) {
      typedAt.current = Date.now();
      chat.presence.write();
    }
  };
  const send = () => {
    if (cannotSend) return;
    chat.send(roomId, draft.text.trim(), draft.ask);
    write({ ...draft, text: "" });
    typedAt.current = 0;
    input.current?.focus();
  };
  /** The second half of a double click on Send, which was in its place, stops nothing. */
  const stop = (click: MouseEvent) => {
    if (click.detail > 1) return;
    running.stop();
    if (!isTouch()) input.current?.focus();
  };
  const complete = (candidate: Candidate) => {
    if (!mention) return;
    const before = draft.text.slice(0, mention.from) + candidate.insert;
    changed(before + draft.text.slice(caret), before.length);
    requestAnimationFrame(() => {
      input.current?.focus();
      input.current?.setSelectionRange(before.length, before.length);
    });
  };
  const completionKey = (event: KeyboardEvent): boolean => {
    const candidate = candidates[active];
    if (!candidate || !mention) return false;
    if (event.key === "ArrowDown") setChosen((active + 1) % candidates.length);
    else if (event.key === "ArrowUp") setChosen((active + candidates.length - 1) % candidates.length);
    else if (event.key === "Enter" || event.key === "Tab") complete(candidate);
    else if (event.key === "Escape") setDismissed(mention.from);
    else return false;
    return true;
  };
  const pressed = (event: KeyboardEvent) => {
    if (event.nativeEvent.isComposing) return;
    if (completionKey(event)) event.preventDefault();
    else if (event.key === "ArrowUp" && draft.text === "" && chat.editing.beginLast(roomId, me.id)) event.preventDefault();
    else if (event.key === "Escape" && chat.replies.take(roomId)) event.preventDefault();
    else if (event.key === "Enter" && !event.shiftKey && !isTouch()) {
      event.preventDefault();
      send();
    }
  };

  return (
    <div className={styles.wrap}>
      <ComposerNotices assistant={asking ? assistant : null} obstacle={poor} blind={asking ? blindTo(files.all, mineIn(room, assistant, me)) : null} />
      {candidates.length > 0 && <CompletionList candidates={candidates} active={active} onChoose={complete} />}
      <div className={`${styles.box} ${asking ? styles.ask : ""}`}>
        <ReplyingTo roomId={roomId} />
        <Attachments roomId={roomId} all={files.all} />
        <textarea ref={input} data-composer className={styles.input} rows={1} dir="auto" value={draft.text} aria-label={t("Message")} aria-autocomplete="list"
          aria-controls={candidates.length > 0 ? "mentions" : undefined}
          aria-activedescendant={candidates.length > 0 ? optionId(active) : undefined}
          placeholder={draft.ask || room?.asks ? (name ? t("Ask {name}…", { name }) : t("Ask the assistant…")) : t("Write to {name}…", { name: roomName })}
          onChange={(event) => changed(event.target.value, event.target.selectionStart)}
          onSelect={(event) => setCaret(event.currentTarget.selectionStart)} onKeyDown={pressed} onPaste={files.paste} />
        <div className={styles.bar}>
          {files.possible && <AttachButton onFiles={files.add} />}
          <AskChip asking={asking} name={name}
            onToggle={() => {
              write({ ...draft, ask: !draft.ask });
              input.current?.focus();
            }} />
          {asking && room && <ModelChoice room={room} />}
          <span className={`${styles.hint} ${tooLong ? styles.warn : ""} ${near !== null ? styles.counted : ""}`}>
            {tooLong ? tooMany(over) : near !== null ? counted(near) : stopped === null && hint(canStop && empty)}
          </span>
          <span className={styles.ends}>
            {canStop && (
              <button type="button" className={`${styles.send} ${styles.stop}`} aria-label={t("Stop")} title={t("Stop the answer (Escape)")}
                disabled={running.stopping} onClick={stop}>
                <Icon name="stop" size={20} />
              </button>
            )}
            {!(canStop && empty) && (
              <button type="button" className={styles.send} aria-label={t("Send")} title={t("Send (Enter)")} disabled={cannotSend} onClick={send}>
                <Icon name="send" size={20} />
              </button>
            )}
          </span>
        </div>
      </div>
    </div>
  );
}

function tooMany(over: number): string {
  return t("{over} too many: {limit} characters can be sent", { over, limit: CHARACTERS_LIMIT });
}

function counted(characters: number): string {
  return t("{written} of {limit} characters", { written: characters, limit: CHARACTERS_LIMIT });
}

/** On a touch screen Enter is the only way to a new line, and the focus brings up the keyboard. */
function isTouch(): boolean {
  return matchMedia("(pointer: coarse)").matches;
}

function hint(canStop: boolean): string {
  if (isTouch()) return "";
  return t(canStop ? "Escape stops the answer" : "Enter sends · Shift+Enter for a new line");
}

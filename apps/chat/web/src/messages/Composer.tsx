import { useEffect, useLayoutEffect, useRef, useState, type KeyboardEvent, type MouseEvent } from "react";
import { obstacle } from "../budget/budget";
import { ModelChoice, modelFor } from "../budget/ModelChoice";
import { useChat } from "../chat";
import { Button } from "../ui/buttons";
import { Icon } from "../ui/Icon";
import { useValue } from "../ui/store";
import { useNow } from "../ui/use-now";
import { ComposerNotices } from "./ComposerNotices";
import styles from "./composer.module.css";
import { candidatesFor, mentionAt, type Candidate } from "./completion";
import { CompletionList, optionId } from "./CompletionList";
import { CHARACTERS_LIMIT, excess, isQuestion } from "./outbox";
import { useDraft } from "./use-draft";
import { useRunning } from "./use-running";

const TYPING_EVERY = 2_000;
const BUDGET_EVERY = 30_000;

/** Where messages and questions are written. Keyed by its room: each room has its own draft. */
export function Composer({ roomId, roomName }: { roomId: string; roomName: string }) {
  const chat = useChat();
  const assistant = useValue(chat.assistant);
  const { people } = useValue(chat.rooms.view(roomId));
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

  useLayoutEffect(() => {
    const area = input.current;
    if (!area) return;
    area.style.height = "auto";
    area.style.height = `${area.scrollHeight}px`;
  }, [draft.text]);
  useEffect(() => {
    if (matchMedia("(pointer: fine)").matches) input.current?.focus();
  }, []);

  const mention = mentionAt(draft.text, caret);
  const others = people.filter((person) => person.id !== me.id);
  const candidates = mention && mention.from !== dismissed ? candidatesFor(mention.query, others, assistant) : [];
  const active = Math.min(chosen, candidates.length - 1);
  const empty = draft.text.trim() === "";
  const over = excess(draft.text);
  const tooLong = over > 0;
  const stopped = isQuestion(draft, assistant?.name) ? obstacle(budget, now) : null;
  const cannotSend = empty || tooLong || stopped !== null;
  const canStop = running.id !== null && empty;
  const name = assistant?.name ?? "the assistant";

  const changed = (text: string, at: number) => {
    write({ ...draft, text });
    setCaret(at);
    setChosen(0);
    setDismissed(-1);
    if (text && Date.now() - typedAt.current > TYPING_EVERY) {
      typedAt.current = Date.now();
      chat.connection.tell("Typing", roomId);
    }
  };
  const send = () => {
    if (cannotSend) return;
    chat.send(roomId, draft.text.trim(), draft.ask, modelFor(draft.model, me));
    write({ ...draft, text: "" });
    typedAt.current = 0;
    input.current?.focus();
  };
  /** The second half of a double click on Send, which was in its place, stops nothing. */
  const stop = (click: MouseEvent) => {
    if (click.detail < 2) running.stop();
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
    else if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      send();
    }
  };

  return (
    <div className={styles.wrap}>
      <ComposerNotices assistant={draft.ask ? assistant : null} obstacle={stopped} />
      {candidates.length > 0 && <CompletionList candidates={candidates} active={active} onChoose={complete} />}
      <div className={`${styles.box} ${draft.ask ? styles.ask : ""}`}>
        <textarea ref={input} className={styles.input} rows={1} value={draft.text} aria-label="Message" aria-autocomplete="list"
          aria-controls={candidates.length > 0 ? "mentions" : undefined}
          aria-activedescendant={candidates.length > 0 ? optionId(active) : undefined}
          placeholder={draft.ask ? `Ask ${name}…` : `Write to ${roomName}…`}
          onChange={(event) => changed(event.target.value, event.target.selectionStart)}
          onSelect={(event) => setCaret(event.currentTarget.selectionStart)} onKeyDown={pressed} />
        <div className={styles.bar}>
          <Button look="chip" aria-label="Ask the assistant" aria-pressed={draft.ask}
            title="Send to the assistant; everyone here sees the answer"
            onClick={() => {
              write({ ...draft, ask: !draft.ask });
              input.current?.focus();
            }}>
            <Icon name="spark" size={16} />
            Ask
          </Button>
          {draft.ask && <ModelChoice model={draft.model} onChoose={(model) => write({ ...draft, model })} />}
          <span className={`${styles.hint} ${tooLong ? styles.warn : ""}`}>
            {tooLong ? tooMany(over) : stopped === null && hint(canStop)}
          </span>
          {canStop ? (
            <button type="button" className={`${styles.send} ${styles.stop}`} aria-label="Stop" title="Stop the answer (Escape)"
              disabled={running.stopping} onClick={stop}>
              <Icon name="stop" size={20} />
            </button>
          ) : (
            <button type="button" className={styles.send} aria-label="Send" title="Send (Enter)" disabled={cannotSend} onClick={send}>
              <Icon name="send" size={20} />
            </button>
          )}
        </div>
      </div>
    </div>
  );
}

function tooMany(over: number): string {
  const count = (number: number) => number.toLocaleString("en");
  return `${count(over)} too many: ${count(CHARACTERS_LIMIT)} characters can be sent`;
}

function hint(canStop: boolean): string {
  return canStop ? "Escape stops the answer" : "Enter sends · Shift+Enter for a new line";
}

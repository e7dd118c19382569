import { useId, useLayoutEffect, useRef, useState, type KeyboardEvent } from "react";
import { useChat } from "../chat";
import type { Message } from "../connection/contract";
import { t } from "../language/language";
import { putBeside, stayBeside } from "../ui/beside";
import { IconButton } from "../ui/buttons";
import { useStore, useValue } from "../ui/store";
import { EMOJI, isMine, NAMES, whoReacted } from "./reactions";
import styles from "./reactions.module.css";

/** The reactions below a message: a click on one adds mine or takes it back. */
export function Reactions({ message }: { message: Message }) {
  const chat = useChat();
  const me = useValue(chat.me);
  const still = useStore(chat.rooms.list, (rooms) => rooms?.find((room) => room.id === message.roomId)?.isArchived ?? false);
  const { reactions = [] } = message;
  if (reactions.length === 0) return null;
  return (
    <div className={styles.reactions} role="group" aria-label={t("Reactions")}>
      {reactions.map((reaction) => {
        const mine = isMine(reaction, me.id);
        return (
          <button key={reaction.emoji} type="button" className={styles.reaction} aria-pressed={mine} disabled={still}
            title={whoReacted(reaction, me.id)} aria-label={`${whoReacted(reaction, me.id)}, ${reaction.people.length}`}
            onClick={() => void chat.react(message.id, reaction.emoji, !mine)}>
            <span aria-hidden="true">{reaction.emoji}</span>
            {reaction.people.length}
          </button>
        );
      })}
      {!still && <ReactButton message={message} className={styles.add} />}
    </div>
  );
}

/** The button that opens the choice of emoji. */
export function ReactButton({ message, className = "" }: { message: Message; className?: string | undefined }) {
  const chat = useChat();
  const me = useValue(chat.me);
  const id = useId();
  const [open, setOpen] = useState(false);
  const button = useRef<HTMLSpanElement>(null);
  const panel = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const box = panel.current;
    if (!open || !button.current || !box) return;
    putBeside(button.current, box);
    box.querySelector("button")?.focus({ preventScroll: true });
    return stayBeside(button.current, box, () => box.hidePopover());
  }, [open]);
  const pick = (emoji: string) => {
    panel.current?.hidePopover();
    button.current?.querySelector("button")?.focus();
    const mine = message.reactions?.some((each) => each.emoji === emoji && isMine(each, me.id)) ?? false;
    void chat.react(message.id, emoji, !mine);
  };
  return (
    <span ref={button}>
      <IconButton icon="smile" label={t("React")} className={className} aria-haspopup="dialog" aria-expanded={open} popoverTarget={id} />
      <div ref={panel} id={id} popover="auto" role="dialog" aria-label={t("Choose an emoji")} className={styles.panel} onKeyDown={pressed}
        onToggle={(event) => setOpen(event.newState === "open")}>
        {open && EMOJI.map((emoji) => (
          <button key={emoji} type="button" aria-label={t(NAMES[emoji] ?? emoji)} title={t(NAMES[emoji] ?? emoji)} onClick={() => pick(emoji)}>{emoji}</button>
        ))}
      </div>
    </span>
  );
}

const COLUMNS = 8;
const STEPS: Readonly<Record<string, number>> = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -COLUMNS, ArrowDown: COLUMNS };

/** The arrows move within the grid; Escape closes it and nothing else. */
function pressed(event: KeyboardEvent<HTMLElement>): void {
  if (event.key === "Escape") {
    event.preventDefault();
    event.stopPropagation();
    event.currentTarget.hidePopover();
  }
  const by = STEPS[event.key];
  if (by === undefined) return;
  event.preventDefault();
  const all = [...event.currentTarget.querySelectorAll("button")];
  const at = all.findIndex((each) => each === document.activeElement);
  all[(at + by + all.length) % all.length]?.focus();
}

import { useEffect, useState, type RefObject } from "react";
import { useChat } from "../chat";
import { has, type RoomView } from "../rooms/room-view";
import { useValue } from "../ui/store";

/** Frames for which the place is held: the rows around it are measured while they are drawn. */
const FRAMES = 4;
const HITS = "search-hits";

/** Brings the message of a link or a search into view, and marks it until the reader is elsewhere. `leave` lets go of the bottom. */
export function useTarget(scroller: RefObject<HTMLElement | null>, roomId: string, view: RoomView, leave: () => void): void {
  const chat = useChat();
  const target = useValue(chat.places.target);
  const here = target?.roomId === roomId && has(view, target.messageId) ? target : null;
  useEffect(() => {
    const row = here && scroller.current?.querySelector<HTMLElement>(`[data-message="${CSS.escape(here.messageId)}"]`);
    if (!row) return;
    leave();
    let frame = 0;
    const hold = (left: number) => {
      row.scrollIntoView({ block: "center" });
      if (left > 0) frame = requestAnimationFrame(() => hold(left - 1));
    };
    hold(FRAMES);
    // Where nothing had to be moved, the box is asked all the same whether it is at its bottom.
    scroller.current?.dispatchEvent(new Event("scroll"));
    row.toggleAttribute("data-target", true);
    row.tabIndex = -1;
    row.focus({ preventScroll: true });
    markWords(row, here.words);
    return () => {
      cancelAnimationFrame(frame);
      row.removeAttribute("data-target");
      row.removeAttribute("tabindex");
      markWords(row, []);
    };
  }, [here, scroller, leave]);
}

const MOVES = ["wheel", "touchmove", "keydown", "pointerdown"] as const;

/** Whoever has moved from the place to the newest messages by themselves has left it: the address names it no more. */
export function useArrival(scroller: RefObject<HTMLElement | null>, roomId: string, hasLater: boolean, atBottom: boolean): void {
  const { places } = useChat();
  const target = useValue(places.target);
  const [moved, setMoved] = useState(false);
  useEffect(() => {
    const box = scroller.current;
    const move = () => setMoved(true);
    for (const name of MOVES) box?.addEventListener(name, move, { passive: true });
    return () => {
      for (const name of MOVES) box?.removeEventListener(name, move);
      setMoved(false);
    };
  }, [scroller, target]);
  useEffect(() => {
    if (moved && atBottom && !hasLater) places.arrived(roomId);
  }, [places, roomId, moved, atBottom, hasLater]);
}

/** Marks words in a row without a change of its elements; browsers that cannot do it show the row alone. */
function markWords(row: HTMLElement, words: readonly string[]): void {
  if (typeof Highlight === "undefined") return;
  const ranges = words.length > 0 ? rangesOf(row, words) : [];
  if (ranges.length === 0) CSS.highlights.delete(HITS);
  else CSS.highlights.set(HITS, new Highlight(...ranges));
}

function rangesOf(row: HTMLElement, words: readonly string[]): Range[] {
  const escaped = words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replace(/ /g, "\\s+"));
  const pattern = new RegExp(`(?<![\\p{L}\\p{N}])(?:${escaped.join("|")})(?![\\p{L}\\p{N}])`, "giu");
  const walker = document.createTreeWalker(row, NodeFilter.SHOW_TEXT);
  const ranges: Range[] = [];
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    for (const found of node.textContent?.matchAll(pattern) ?? []) {
      const range = document.createRange();
      range.setStart(node, found.index);
      range.setEnd(node, found.index + found[0].length);
      ranges.push(range);
    }
  }
  return ranges;
}

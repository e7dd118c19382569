import { useCallback, useEffect, useLayoutEffect, useRef, useState, type RefObject } from "react";
import { follows, type Place } from "./follow";

export interface Stick {
  atBottom: boolean;
  jump(): void;
  /** Lets go of the bottom, because the view is brought elsewhere. */
  leave(): void;
}

/**
 * Keeps a scrolling box at its bottom while the reader is there, and lets go when they scroll up. `loose`: its bottom is
 * not the end of the conversation.
 */
export function useStick(scroller: RefObject<HTMLElement | null>, content: RefObject<HTMLElement | null>, loose: boolean): Stick {
  const [atBottom, setAtBottom] = useState(true);
  const sticks = useRef(true);
  const jump = useCallback(() => {
    sticks.current = true;
    setAtBottom(true);
    const box = scroller.current;
    if (box) box.scrollTop = box.scrollHeight;
  }, [scroller]);

  const leave = useCallback(() => {
    sticks.current = false;
    setAtBottom(false);
  }, []);

  useLayoutEffect(jump, [jump]);
  useLayoutEffect(() => {
    if (loose) leave();
  }, [loose, leave]);

  useEffect(() => {
    const box = scroller.current;
    const inner = content.current;
    if (!box || !inner) return;
    let last = placeOf(box);
    let typing = 0;
    const typed = () => {
      typing += 1;
      // The field is laid out in the next frame, and the box says in the one after that it was moved.
      requestAnimationFrame(() => requestAnimationFrame(() => (typing -= 1)));
    };
    const scrolled = () => {
      sticks.current = !loose && follows(sticks.current, last, placeOf(box), typing > 0);
      if (sticks.current && typing > 0) box.scrollTop = box.scrollHeight;
      last = placeOf(box);
      setAtBottom(sticks.current);
    };
    const grown = new ResizeObserver(() => {
      if (sticks.current) box.scrollTop = box.scrollHeight;
      last = placeOf(box);
    });
    grown.observe(inner);
    grown.observe(box);
    box.addEventListener("scroll", scrolled, { passive: true });
    document.addEventListener("input", typed, { capture: true, passive: true });
    return () => {
      grown.disconnect();
      document.removeEventListener("input", typed, { capture: true });
      box.removeEventListener("scroll", scrolled);
    };
  }, [scroller, content, loose]);

  return { atBottom, jump, leave };
}

function placeOf(box: HTMLElement): Place {
  return { top: box.scrollTop, height: box.scrollHeight, client: box.clientHeight };
}

/** Holds what the reader sees in its place when messages are put above it (browsers do so only when scrolled). */
export function useHoldPlace(scroller: RefObject<HTMLElement | null>, firstKey: string): void {
  const before = useRef({ firstKey, height: 0 });
  useLayoutEffect(() => {
    const box = scroller.current;
    if (!box) return;
    const grew = box.scrollHeight - before.current.height;
    const anchors = CSS.supports("overflow-anchor", "auto") && box.scrollTop > 0;
    if (before.current.firstKey !== firstKey && before.current.height > 0 && grew > 0 && !anchors) box.scrollTop += grew;
    before.current = { firstKey, height: box.scrollHeight };
  });
}

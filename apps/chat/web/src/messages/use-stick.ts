import { useCallback, useEffect, useLayoutEffect, useRef, useState, type RefObject } from "react";

const NEAR = 48;

export interface Stick {
  atBottom: boolean;
  jump(): void;
}

/** Keeps a scrolling box at its bottom while the reader is there, and lets go when they scroll up. */
export function useStick(scroller: RefObject<HTMLElement | null>, content: RefObject<HTMLElement | null>): Stick {
  const [atBottom, setAtBottom] = useState(true);
  const sticks = useRef(true);
  const jump = useCallback(() => {
    sticks.current = true;
    setAtBottom(true);
    const box = scroller.current;
    if (box) box.scrollTop = box.scrollHeight;
  }, [scroller]);

  useLayoutEffect(jump, [jump]);

  useEffect(() => {
    const box = scroller.current;
    const inner = content.current;
    if (!box || !inner) return;
    let last = box.scrollTop;
    const scrolled = () => {
      const near = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR;
      if (near) sticks.current = true;
      else if (box.scrollTop < last - 1) sticks.current = false;
      last = box.scrollTop;
      setAtBottom(sticks.current);
    };
    const grown = new ResizeObserver(() => {
      if (sticks.current) box.scrollTop = box.scrollHeight;
    });
    grown.observe(inner);
    grown.observe(box);
    box.addEventListener("scroll", scrolled, { passive: true });
    return () => {
      grown.disconnect();
      box.removeEventListener("scroll", scrolled);
    };
  }, [scroller, content]);

  return { atBottom, jump };
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

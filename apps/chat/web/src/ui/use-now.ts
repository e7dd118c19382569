import { useCallback, useEffect, useState, useSyncExternalStore } from "react";

/** The time (ms since 1970), renewed every `every` ms; null stands still. */
export function useNow(every: number | null): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (every === null) return;
    const tick = () => setNow(Date.now());
    const first = requestAnimationFrame(tick);
    const timer = setInterval(tick, every);
    return () => {
      cancelAnimationFrame(first);
      clearInterval(timer);
    };
  }, [every]);
  return now;
}

const HALF_MINUTE = 30_000;
const listeners = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;

/** One timer for all that tell the time in minutes, however many are on the page. */
function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(() => listeners.forEach((each) => each()), HALF_MINUTE);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

/** Words about a time ("5 min ago"), drawn again only when they change. */
export function useWords(iso: string, words: (iso: string, now: number) => string): string {
  return useSyncExternalStore(subscribe, useCallback(() => words(iso, Date.now()), [iso, words]));
}

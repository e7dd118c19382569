import { useEffect, useRef, type RefObject } from "react";
import { t } from "../language/language";
import { Button } from "../ui/buttons";
import styles from "./timeline.module.css";

interface Props {
  /** "earlier" or "later". */
  which: "earlier" | "later";
  state: "idle" | "loading" | "error";
  scroller: RefObject<HTMLElement | null>;
  load(): Promise<void>;
}

/** The way to older or newer messages: fetched when the reader comes near, with a button for the rest. */
export function Neighbours({ which, state, scroller, load }: Props) {
  const ref = useRef<HTMLDivElement>(null);
  const fetch = useRef(load);
  useEffect(() => {
    fetch.current = load;
  });
  useEffect(() => {
    if (!ref.current || state !== "idle") return;
    const margin = which === "earlier" ? "600px 0px 0px" : "0px 0px 600px";
    const near = new IntersectionObserver((seen) => seen.some((entry) => entry.isIntersecting) && void fetch.current(), {
      root: scroller.current,
      rootMargin: margin,
    });
    near.observe(ref.current);
    return () => near.disconnect();
  }, [which, state, scroller]);
  return (
    <div className={styles.earlier} ref={ref}>
      {state === "error" && <>{t(which === "earlier" ? "Earlier messages could not be loaded." : "Later messages could not be loaded.")} </>}
      {state === "loading" ? t(which === "earlier" ? "Loading earlier messages…" : "Loading later messages…") : (
        <Button look="link" onClick={() => void load()}>{t(state === "error" ? "Retry" : which === "earlier" ? "Load earlier" : "Load later")}</Button>
      )}
    </div>
  );
}

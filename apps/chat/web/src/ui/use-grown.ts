import { useEffect, useLayoutEffect, type RefObject } from "react";

/** Does the browser fit the text field to its text? */
const SIZES_ITSELF = typeof CSS !== "undefined" && CSS.supports("field-sizing", "content");

/** Makes a text field as high as its text, also when its width changes. Its style has `field-sizing: content` and limits the height. */
export function useGrown(field: RefObject<HTMLTextAreaElement | null>, text: string): void {
  useLayoutEffect(() => fit(field.current), [field, text]);
  useEffect(() => {
    const area = field.current;
    if (!area || SIZES_ITSELF) return;
    let width = area.clientWidth;
    const observer = new ResizeObserver(() => {
      if (area.clientWidth === width) return;
      width = area.clientWidth;
      fit(area);
    });
    observer.observe(area);
    return () => observer.disconnect();
  }, [field]);
}

function fit(area: HTMLTextAreaElement | null): void {
  if (!area || SIZES_ITSELF) return;
  area.style.height = "auto";
  area.style.height = `${area.scrollHeight}px`;
}

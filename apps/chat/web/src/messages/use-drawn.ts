import { useEffect, useMemo, useState } from "react";
import type { RoomView } from "../rooms/room-view";
import { drawnOf, edgesOf, grown } from "./drawn";

/** The view as it is drawn: a page of history comes in small steps, a frame for each, and meanwhile is said to be loading. */
export function useDrawn(view: RoomView, wanted: string | null): RoomView {
  const [edges, setEdges] = useState(() => edgesOf(view));
  const drawn = useMemo(() => drawnOf(view, edges, wanted), [view, edges, wanted]);
  const { first, last, open } = edgesOf(drawn);
  if (first !== edges.first || last !== edges.last || open !== edges.open) setEdges({ first, last, open });
  useEffect(() => {
    if (drawn === view) return;
    const frame = requestAnimationFrame(() => setEdges((now) => grown(view, now)));
    return () => cancelAnimationFrame(frame);
  }, [view, drawn]);
  return drawn;
}

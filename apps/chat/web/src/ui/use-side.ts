import { useEffect, useState } from "react";

const NARROW = "(max-width: 640px)";
const MEDIUM = "(max-width: 900px)";

export interface Side {
  open: boolean;
  /** The left zone lies over the conversation. */
  drawer: boolean;
  /** The right zone lies over the conversation. */
  sheet: boolean;
  set(open: boolean): void;
}

/** Whether the left zone is open: beside the conversation as the reader left it, as a drawer closed at first. */
export function useSide(): Side {
  const drawer = useMedia(NARROW);
  const sheet = useMedia(MEDIUM);
  const [wide, setWide] = useState(true);
  const [narrow, setNarrow] = useState(false);
  return { drawer, sheet, open: drawer ? narrow : wide, set: drawer ? setNarrow : setWide };
}

function useMedia(query: string): boolean {
  const [matches, setMatches] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const media = matchMedia(query);
    const changed = () => setMatches(media.matches);
    media.addEventListener("change", changed);
    return () => media.removeEventListener("change", changed);
  }, [query]);
  return matches;
}

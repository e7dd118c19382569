import type { Places, Target } from "./places";
import type { Rooms } from "./rooms";

/** What an address names: a room, `#/room/<id>`, or a message in it, `#/room/<id>/message/<id>`. */
export interface Address {
  roomId: string;
  messageId: string | null;
}

export function parse(hash: string): Address | null {
  const found = /^#\/room\/([^/]+)(?:\/message\/([^/]+))?$/.exec(hash);
  try {
    return found?.[1] ? { roomId: decodeURIComponent(found[1]), messageId: found[2] ? decodeURIComponent(found[2]) : null } : null;
  } catch {
    return null;
  }
}

export function addressOf(roomId: string, messageId: string | null = null): string {
  return `#/room/${encodeURIComponent(roomId)}${messageId === null ? "" : `/message/${encodeURIComponent(messageId)}`}`;
}

/** A link to a message, for somebody else to open. */
export function linkTo(roomId: string, messageId: string): string {
  return `${location.origin}${location.pathname}${addressOf(roomId, messageId)}`;
}

export function roomInAddress(hash: string = location.hash): string | null {
  return parse(hash)?.roomId ?? null;
}

function target({ roomId, messageId }: Address): Target | null {
  return messageId === null ? null : { roomId, messageId, words: [] };
}

/** Keeps the address and what is shown the same, so that links, reload and "back" work. Returns what ends it. */
export function followAddress(rooms: Rooms, places: Places): () => void {
  const first = parse(location.hash);
  if (first) places.target.set(target(first));
  const write = () => {
    const roomId = rooms.active.value;
    if (!roomId) return;
    const place = places.target.value;
    const messageId = place?.roomId === roomId ? place.messageId : null;
    const address = addressOf(roomId, messageId);
    if (address === location.hash) return;
    // Away from a message within its room is no step that "back" should undo.
    const here = roomInAddress();
    if (here === null || (here === roomId && messageId === null)) history.replaceState(null, "", address);
    else history.pushState(null, "", address);
  };
  const changed = () => {
    const wanted = parse(location.hash);
    if (!wanted) return;
    const place = target(wanted);
    void (place ? places.jump(place) : rooms.visit(wanted.roomId));
  };
  const ends = [rooms.active.subscribe(write), places.target.subscribe(write)];
  window.addEventListener("hashchange", changed);
  return () => {
    ends.forEach((end) => end());
    window.removeEventListener("hashchange", changed);
  };
}

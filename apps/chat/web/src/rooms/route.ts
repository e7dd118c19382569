import type { Rooms } from "./rooms";

/** The room the address names: `#/room/<id>`. */
export function roomInAddress(hash: string = location.hash): string | null {
  const found = /^#\/room\/(.+)$/.exec(hash);
  try {
    return found?.[1] ? decodeURIComponent(found[1]) : null;
  } catch {
    return null;
  }
}

/** Keeps the address and the shown room the same, so that links, reload and "back" work. Returns what ends it. */
export function followAddress(rooms: Rooms): () => void {
  const leave = rooms.active.subscribe(() => {
    const roomId = rooms.active.value;
    if (!roomId || roomId === roomInAddress()) return;
    const address = `#/room/${encodeURIComponent(roomId)}`;
    if (roomInAddress() === null) history.replaceState(null, "", address);
    else history.pushState(null, "", address);
  });
  const changed = () => {
    const wanted = roomInAddress();
    if (wanted) void rooms.show(wanted);
  };
  window.addEventListener("hashchange", changed);
  return () => {
    leave();
    window.removeEventListener("hashchange", changed);
  };
}

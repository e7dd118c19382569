import type { Room } from "../connection/contract";

const known = new WeakMap<readonly Room[], readonly Room[]>();

/** The rooms in which something was said last, or which were made last, come first; the others follow as the server has them. */
export function byActivity(rooms: readonly Room[]): readonly Room[] {
  let ordered = known.get(rooms);
  if (!ordered) known.set(rooms, (ordered = rooms.toSorted((a, b) => moment(b) - moment(a))));
  return ordered;
}

function moment(room: Room): number {
  return room.lastAt ? Date.parse(room.lastAt) : 0;
}

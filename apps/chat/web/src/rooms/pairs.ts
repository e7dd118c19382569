import type { Room } from "../connection/contract";

/** A conversation of two people has the name of the other one. */
export function seenBy(me: string, room: Room): Room {
  const other = room.isPair ? room.members.find((member) => member.id !== me) : undefined;
  return other && other.name !== room.name ? { ...room, name: other.name } : room;
}

/** Is it in the sidebar? A conversation of two in which nobody has written yet is only there for whoever has it open. */
export function isListed(room: Room, active: string | null): boolean {
  return room.isConversation === true || (room.isPair === true && (room.lastSeq > 0 || room.id === active));
}

/** Is it in the second part of the sidebar? */
export function isAside(room: Room): boolean {
  return room.isConversation === true || room.isPair === true;
}

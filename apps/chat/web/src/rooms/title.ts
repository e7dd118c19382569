import type { Room } from "../connection/contract";
import { msg, said, t } from "../language/language";

/** What the server calls a conversation that has no title yet. */
const UNTITLED = "New conversation";

/** The rooms that every chat begins with, as the server makes them. */
export const FIRST_ROOMS: Readonly<Record<string, { name: string; topic: string }>> = {
  general: { name: msg("General"), topic: msg("Whatever has no room of its own") },
  "ask-the-assistant": { name: msg("Ask the assistant"), topic: msg("Questions to the model, for everyone to read") },
  "off-topic": { name: msg("Off topic"), topic: msg("Everything else") },
};

/** The name of a room as it is shown: where it is nobody's words, it is translated. */
export function titleOf(room: Pick<Room, "id" | "name" | "isConversation" | "owners">): string {
  if (room.isConversation && room.name === UNTITLED) return said(room.name);
  return firstOf(room)?.name === room.name ? t(room.name) : room.name;
}

/** The topic of a room as it is shown. */
export function topicOf(room: Pick<Room, "id" | "topic" | "owners">): string {
  return firstOf(room)?.topic === room.topic ? t(room.topic) : room.topic;
}

/** What the server wrote when it made a room; a room that a person made has an owner. */
function firstOf(room: Pick<Room, "id" | "owners">): { name: string; topic: string } | undefined {
  return Object.hasOwn(FIRST_ROOMS, room.id) && (room.owners ?? []).length === 0 ? FIRST_ROOMS[room.id] : undefined;
}

import type { Room } from "../connection/contract";
import { said } from "../language/language";

/** What the server calls a conversation that has no title yet. */
const UNTITLED = "New conversation";

/** The name of a room as it is shown: that of a new conversation is nobody's words, so it is translated. */
export function titleOf(room: Pick<Room, "name" | "isConversation">): string {
  return room.isConversation && room.name === UNTITLED ? said(room.name) : room.name;
}

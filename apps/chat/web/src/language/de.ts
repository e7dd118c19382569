import { account } from "./de/account";
import { messages } from "./de/messages";
import { page } from "./de/page";
import { rooms } from "./de/rooms";
import { server } from "./de/server";
import type { Catalogue } from "./language";

/** German: plain, and `du` throughout. */
export const texts: Catalogue = { ...page, ...account, ...messages, ...rooms, ...server };

import { account } from "./es/account";
import { messages } from "./es/messages";
import { page } from "./es/page";
import { rooms } from "./es/rooms";
import { server } from "./es/server";
import type { Catalogue } from "./language";

/** Spanish: plain, and `tú` throughout. */
export const texts: Catalogue = { ...page, ...account, ...messages, ...rooms, ...server };

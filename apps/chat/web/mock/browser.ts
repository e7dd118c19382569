import type { Fetch } from "../src/account/api";
import type { OpenPort } from "../src/connection/hub-port";
import { MockAccounts } from "./accounts";
import { MockServer } from "./server";

/**
 * `?mock` begins at the entrance (Ada and her password "password" are an administrator), `?mock&as=member` inside;
 * `many=10000` fills the room, `away` begins without a server. Server and accounts are at `window.mock` for playing with their faults.
 */
export function mockServer(query: URLSearchParams): { fetch: Fetch; openPort: OpenPort } {
  const accounts = new MockAccounts(query.get("as"));
  const server = new MockServer(accounts, Number(query.get("many") ?? 0));
  server.reachable = !query.has("away");
  Object.assign(window, { mock: server });
  return { fetch: accounts.fetch, openPort: server.open };
}

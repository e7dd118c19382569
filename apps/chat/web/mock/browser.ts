import type { OpenPort } from "../src/connection/hub-port";
import { MockServer } from "./server";

/** `?mock&many=10000`: a full room. The server is at `window.mock` for playing with its faults. */
export function mockPort(query: URLSearchParams): OpenPort {
  const server = new MockServer(Number(query.get("many") ?? 0));
  Object.assign(window, { mock: server });
  return server.open;
}

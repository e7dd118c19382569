import type { RoomConnection } from "@hubline/client/rooms";
import type { ServerCalls } from "./contract";

export type TransportChoice = "auto" | "webSockets" | "serverSentEvents" | "longPolling";
export type TransportName = "WebSockets" | "Server-Sent Events" | "Long polling";

/** What a port tells its owner. After `closed` it tells nothing any more. */
export interface PortEvents {
  called<K extends keyof ServerCalls>(name: K, args: ServerCalls[K]): void;
  closed(error: Error | undefined): void;
  /** No new token is given: the session has ended. */
  signedOut(): void;
}

/** One connection to the hub, used once: started, then closed. The page, the tests and the mock meet here. */
export interface HubPort {
  readonly transport: TransportName | null;
  readonly open: boolean;
  /** Raises `SignedOut` when there is no session to start with. */
  start(): Promise<void>;
  stop(): Promise<void>;
  invoke(method: string, ...args: unknown[]): Promise<unknown>;
  send(method: string, ...args: unknown[]): Promise<void>;
  readonly stream: RoomConnection["stream"];
  readonly on: RoomConnection["on"];
  readonly off: RoomConnection["off"];
}

export type OpenPort = (events: PortEvents, choice: TransportChoice) => HubPort;

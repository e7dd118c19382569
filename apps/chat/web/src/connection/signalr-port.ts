import {
  HttpTransportType,
  HubConnectionBuilder,
  HubConnectionState,
  LogLevel,
  type IHttpConnectionOptions,
} from "@microsoft/signalr";
import { SERVER_CALLS, type ServerCalls } from "./contract";
import type { HubPort, OpenPort, TransportChoice, TransportName } from "./hub-port";

const TRANSPORTS: Record<TransportChoice, HttpTransportType | undefined> = {
  auto: undefined,
  webSockets: HttpTransportType.WebSockets,
  serverSentEvents: HttpTransportType.ServerSentEvents,
  longPolling: HttpTransportType.LongPolling,
};

/** Two options that the client has had for years but leaves out of its types. */
interface Options extends IHttpConnectionOptions {
  WebSocket: typeof WebSocket;
  EventSource: typeof EventSource;
}

/** A port over the official client, which does not say which transport it chose: we see which one opens. */
export function signalrPort(url: string): OpenPort {
  return (events, choice): HubPort => {
    let transport: TransportName = "Long polling";
    const transportType = TRANSPORTS[choice];
    const options: Options = {
      ...(transportType === undefined ? {} : { transport: transportType }),
      WebSocket: watched(WebSocket, () => (transport = "WebSockets")),
      EventSource: watched(EventSource, () => (transport = "Server-Sent Events")),
    };
    const connection = new HubConnectionBuilder()
      .withUrl(url, options)
      .configureLogging(LogLevel.None)
      .build();
    for (const name of SERVER_CALLS) {
      connection.on(name, (...args: unknown[]) => events.called(name, args as ServerCalls[typeof name]));
    }
    connection.onclose((error) => events.closed(error));
    const isOpen = () => connection.state === HubConnectionState.Connected;
    return {
      get transport() {
        return isOpen() ? transport : null;
      },
      get open() {
        return isOpen();
      },
      start: () => connection.start(),
      stop: () => connection.stop(),
      invoke: (method, ...args) => connection.invoke<unknown>(method, ...args),
      send: (method, ...args) => connection.send(method, ...args),
    };
  };
}

function watched<C extends typeof WebSocket | typeof EventSource>(base: C, opened: () => void): C {
  return new Proxy(base, {
    construct(target, args: ConstructorParameters<C>) {
      const made = Reflect.construct(target, args) as InstanceType<C>;
      made.addEventListener("open", opened);
      return made;
    },
  });
}

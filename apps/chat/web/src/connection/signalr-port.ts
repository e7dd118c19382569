import {
  DefaultHttpClient,
  HttpClient,
  HttpTransportType,
  HubConnectionBuilder,
  HubConnectionState,
  LogLevel,
  NullLogger,
  type HttpRequest,
  type HttpResponse,
  type IHttpConnectionOptions,
} from "@microsoft/signalr";
import { SERVER_CALLS, type ServerCalls } from "./contract";
import type { HubPort, OpenPort, TransportChoice, TransportName } from "./hub-port";
import { TokenKeeper, type FetchToken } from "./token-keeper";

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
export function signalrPort(url: string, fetchToken: FetchToken): OpenPort {
  return (events, choice): HubPort => {
    let transport: TransportName = "Long polling";
    const transportType = TRANSPORTS[choice];
    const keeper = new TokenKeeper(fetchToken, {
      present: (token) => http.refresh(url, token),
      signedOut: () => events.signedOut(),
      failed: () => void connection.stop(),
    });
    const http = new RefreshingClient(() => keeper.token);
    const options: Options = {
      ...(transportType === undefined ? {} : { transport: transportType }),
      accessTokenFactory: () => keeper.token,
      httpClient: http,
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
    connection.onclose((error) => {
      keeper.stop();
      events.closed(error);
    });
    const isOpen = () => connection.state === HubConnectionState.Connected;
    return {
      get transport() {
        return isOpen() ? transport : null;
      },
      get open() {
        return isOpen();
      },
      start: async () => {
        await keeper.begin();
        await connection.start();
        keeper.run();
      },
      stop: () => {
        keeper.stop();
        return connection.stop();
      },
      invoke: (method, ...args) => connection.invoke<unknown>(method, ...args),
      send: (method, ...args) => connection.send(method, ...args),
      stream: (method, ...args) => connection.stream(method, ...args),
      on: (method, handler) => connection.on(method, handler),
      off: (method, handler) => connection.off(method, handler),
    };
  };
}

/**
 * The client's own HTTP client, with two additions: every request carries the newest token (the client keeps the one it
 * began with), and the connection's secret id, which a refresh has to name, is learnt from the negotiate answer.
 */
class RefreshingClient extends HttpClient {
  readonly #inner = new DefaultHttpClient(NullLogger.instance);
  readonly #token: () => string;
  #id = "";

  constructor(token: () => string) {
    super();
    this.#token = token;
  }

  override async send(request: HttpRequest): Promise<HttpResponse> {
    const headers = { ...request.headers, Authorization: `Bearer ${this.#token()}` };
    const response = await this.#inner.send({ ...request, headers });
    if (request.url?.includes("/negotiate?")) this.#id = idIn(response.content);
    return response;
  }

  /** Signs an open connection in anew; raises an error unless the server took the token. */
  async refresh(hub: string, token: string): Promise<void> {
    const url = `${hub}/refresh?id=${encodeURIComponent(this.#id)}`;
    await this.#inner.send({ method: "POST", url, content: "", headers: { Authorization: `Bearer ${token}` } });
  }
}

function idIn(content: HttpResponse["content"]): string {
  const answer = JSON.parse(String(content)) as { connectionToken?: string };
  return answer.connectionToken ?? "";
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

// A small client of the hub protocol in JSON, for this page alone: it neither reconnects nor falls back, so that what
// happens can be seen. Pages of an application use `@microsoft/signalr`.

const SEPARATOR = "\x1e";
const KEEP_ALIVE = 15_000;

export class Connection {
  // `on`: message(message), for each that the server sends; closed(reason), once.
  constructor(url, transport, token, on) {
    this.url = new URL(url, location.href);
    this.transport = transport;
    this.token = token;
    this.on = on;
    this.calls = new Map();
    this.next = 0;
    this.rest = "";
    this.aborted = new AbortController();
    this.sending = Promise.resolve();
  }

  async start() {
    const id = await this.negotiate();
    this.shaken = new Promise((resolve, reject) => Object.assign(this, { resolve, reject }));
    this.shaken.catch(() => {});
    await this[this.transport](id);
    this.write({ protocol: "json", version: 1 });
    await this.shaken;
    if (this.transport !== "LongPolling") this.timer = setInterval(() => this.write({ type: 6 }), KEEP_ALIVE);
  }

  // A call; `items` are lists, one for each stream that goes to the server. Returns its id.
  call(target, args, { streams, items, heard }) {
    const invocationId = String(this.next++);
    const streamIds = items.map(() => String(this.next++));
    this.calls.set(invocationId, heard);
    this.write({ type: streams ? 4 : 1, invocationId, target, arguments: args, ...(streamIds.length && { streamIds }) });
    items.forEach((list, index) => {
      for (const item of list) this.write({ type: 2, invocationId: streamIds[index], item });
      this.write({ type: 3, invocationId: streamIds[index] });
    });
    return invocationId;
  }

  cancel(invocationId) {
    this.write({ type: 5, invocationId });
  }

  answer(invocationId, result) {
    this.write({ type: 3, invocationId, result });
  }

  stop(reason = "") {
    if (this.stopped) return;
    this.stopped = true;
    clearInterval(this.timer);
    const end = this.end;
    this.aborted.abort();
    end?.();
    this.reject?.(new Error(reason || "the connection was closed"));
    for (const heard of this.calls.values()) heard({ error: reason || "the connection was closed" });
    this.calls.clear();
    this.on.closed(reason);
  }

  async negotiate() {
    const target = new URL(this.url);
    target.pathname = target.pathname.replace(/\/$/, "") + "/negotiate";
    target.searchParams.set("negotiateVersion", "1");
    const found = await (await this.request(target, { method: "POST" })).json();
    if (found.error) throw new Error(found.error);
    if (found.url) throw new Error(`the server redirects clients to ${new URL(found.url).origin}, which this page may not call`);
    const offered = (found.availableTransports ?? []).map((each) => each.transport);
    if (!offered.includes(this.transport)) throw new Error(`the hub offers only ${offered.join(", ") || "no transport"}`);
    return found.connectionToken ?? found.connectionId;
  }

  async request(target, options = {}) {
    const headers = { "x-requested-with": "XMLHttpRequest", ...(this.token && { authorization: `Bearer ${this.token}` }), ...options.headers };
    const answer = await fetch(target, { ...options, headers, signal: options.keepalive ? undefined : this.aborted.signal });
    if (!answer.ok) throw new Error(reasonOf(answer.status, await answer.text()));
    return answer;
  }

  WebSockets(id) {
    const target = this.addressed(id);
    target.protocol = target.protocol.replace("http", "ws");
    if (this.token) target.searchParams.set("access_token", this.token); // browsers send no headers with a WebSocket
    const socket = new WebSocket(target);
    this.put = (text) => socket.send(text);
    this.end = () => socket.close();
    socket.onmessage = ({ data }) => this.read(data);
    socket.onclose = ({ reason, code }) => this.stop(reason || (code === 1000 ? "the server has closed it" : `the WebSocket ended with code ${code}`));
    return new Promise((resolve, reject) => {
      socket.onopen = resolve;
      socket.onerror = () => reject(new Error("the WebSocket could not be opened"));
    });
  }

  async ServerSentEvents(id) {
    const target = this.addressed(id);
    this.posts(target);
    const answer = await this.request(target, { headers: { accept: "text/event-stream" } });
    this.follow(answer.body.pipeThrough(new TextDecoderStream()).getReader());
  }

  async follow(reader) {
    try {
      for (let buffer = ""; ; ) {
        const { value, done } = await reader.read();
        if (done) return this.stop("the server has closed it");
        const events = (buffer + value).split(/\r?\n\r?\n/);
        buffer = events.pop();
        for (const event of events) {
          const lines = event.split(/\r?\n/).filter((line) => line.startsWith("data:"));
          if (lines.length) this.read(lines.map((line) => line.slice(5).replace(/^ /, "")).join("\n"));
        }
      }
    } catch (error) {
      this.stop(error.message);
    }
  }

  async LongPolling(id) {
    const target = this.addressed(id);
    this.posts(target);
    this.end = () => this.request(target, { method: "DELETE", keepalive: true }).catch(() => {});
    await this.request(target); // the first poll opens the connection and is empty
    this.poll(target);
  }

  async poll(target) {
    try {
      while (!this.stopped) {
        const answer = await this.request(target);
        if (answer.status === 204) return this.stop("the server has closed it");
        this.read(await answer.text());
      }
    } catch (error) {
      this.stop(error.message);
    }
  }

  // One POST after another, so that messages arrive in order.
  posts(target) {
    this.put = (text) => {
      this.sending = this.sending
        .then(() => this.request(target, { method: "POST", body: text, headers: { "content-type": "text/plain;charset=UTF-8" } }))
        .catch((error) => this.stop(error.message));
    };
  }

  addressed(id) {
    const target = new URL(this.url);
    target.searchParams.set("id", id);
    return target;
  }

  write(message) {
    if (!this.stopped) this.put(JSON.stringify(message) + SEPARATOR);
  }

  read(text) {
    const parts = (this.rest + text).split(SEPARATOR);
    this.rest = parts.pop();
    for (const message of parts.map((part) => JSON.parse(part))) this.heard(message);
  }

  heard(message) {
    if (message.type === undefined) {
      if (message.error) this.reject(new Error(message.error));
      else this.resolve();
    } else if (message.type === 2) {
      this.calls.get(message.invocationId)?.({ item: message.item });
    } else if (message.type === 3) {
      const heard = this.calls.get(message.invocationId);
      this.calls.delete(message.invocationId);
      heard?.(message.error === undefined ? { done: true, result: message.result } : { error: message.error });
    } else if (message.type === 7) {
      this.stop(message.error || "the server has closed it");
    } else if (message.type === 1) {
      this.on.called(message);
    }
  }
}

export function reasonOf(status, text) {
  const known = {
    401: "a token is needed, or this one is not valid (401)",
    403: "this user may not (403)",
    404: "there is nothing at this address, or not any more (404)",
    503: "the server takes no connections at present (503)",
  };
  return known[status] ?? `the server answered ${status}${text ? `: ${text.slice(0, 200)}` : ""}`;
}

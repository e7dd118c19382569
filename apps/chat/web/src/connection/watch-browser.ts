import type { Connection } from "./connection";

const PING_EVERY = 20_000;

/** Tells the connection what the browser knows: the network, the page coming back to the front, and the time. Returns what ends it. */
export function watchBrowser(connection: Connection): () => void {
  const over = new AbortController();
  const { signal } = over;
  window.addEventListener("online", () => connection.setOnline(true), { signal });
  window.addEventListener("offline", () => connection.setOnline(false), { signal });
  connection.setOnline(navigator.onLine);
  const seen = () => {
    if (document.visibilityState !== "visible") return;
    if (connection.state.value.phase === "live") void connection.ping();
    else connection.tryNow();
  };
  document.addEventListener("visibilitychange", seen, { signal });
  const timer = setInterval(() => {
    if (document.visibilityState === "visible") void connection.ping();
  }, PING_EVERY);
  return () => {
    over.abort();
    clearInterval(timer);
  };
}

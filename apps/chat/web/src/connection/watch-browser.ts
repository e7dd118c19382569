import type { Connection } from "./connection";

const PING_EVERY = 20_000;

/** Tells the connection what the browser knows: the network, the page coming back to the front, and the time. */
export function watchBrowser(connection: Connection): void {
  window.addEventListener("online", () => connection.setOnline(true));
  window.addEventListener("offline", () => connection.setOnline(false));
  connection.setOnline(navigator.onLine);
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState !== "visible") return;
    if (connection.state.value.phase === "live") void connection.ping();
    else connection.tryNow();
  });
  setInterval(() => {
    if (document.visibilityState === "visible") void connection.ping();
  }, PING_EVERY);
}

import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { Api, type Fetch } from "./account/api";
import { seatOf } from "./account/seat";
import { refusalInAddress } from "./account/openid";
import { Session } from "./account/session";
import { siblings } from "./account/siblings";
import { fileServer } from "./account/upload";
import { App } from "./App";
import type { Chat } from "./chat";
import type { OpenPort } from "./connection/hub-port";
import { signalrPort } from "./connection/signalr-port";
import { watchBrowser } from "./connection/watch-browser";
import { Page, PageContext } from "./page";
import { followAddress, roomInAddress } from "./rooms/route";
import "./ui/base.css";
import { browserBox } from "./ui/storage";

const HUB = "/chatHub";

interface Server {
  fetch?: Fetch;
  openPort?: OpenPort;
}

/** In development `?mock` puts a server made up inside the page in the place of the real one. */
async function server(query: URLSearchParams): Promise<Server> {
  return import.meta.env.DEV && query.has("mock") ? (await import("../mock/browser")).mockServer(query) : {};
}

/** What goes on between a chat and the browser, as long as it is the window's chat. */
function attend(chat: Chat): () => void {
  const ends = [followAddress(chat.rooms, chat.places), watchBrowser(chat.connection)];
  return () => ends.forEach((end) => end());
}

async function main(): Promise<void> {
  const query = new URLSearchParams(location.search);
  const box = browserBox(() => localStorage);
  const tab = browserBox(() => sessionStorage);
  const seat = seatOf(query.has("guest"), tab);
  const { fetch, openPort } = await server(query);
  const api = new Api(seat, fetch);
  const people = seat === null ? box : tab;
  const session = new Session(api, people, siblings(seat), refusalInAddress());
  const page = new Page({ api, session, openPort: openPort ?? signalrPort(HUB, () => api.token()), files: fileServer(seat), box, people, wantedRoom: roomInAddress });
  let leave = () => {};
  page.chat.subscribe(() => {
    leave();
    leave = page.chat.value ? attend(page.chat.value) : () => {};
  });
  void session.check();
  await page.language.begin();
  const root = document.getElementById("root");
  if (!root) throw new Error("The page has no #root.");
  createRoot(root).render(
    <StrictMode>
      <PageContext value={page}>
        <App />
      </PageContext>
    </StrictMode>,
  );
}

/** Lets the page start without a network; where the browser has no such thing, or forbids it, all else works. */
function keepShell(): void {
  if (import.meta.env.PROD && "serviceWorker" in navigator) navigator.serviceWorker.register("./sw.js").catch(() => undefined);
}

void main();
window.addEventListener("load", keepShell);

import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./App";
import { Chat, ChatContext } from "./chat";
import type { OpenPort } from "./connection/hub-port";
import { signalrPort } from "./connection/signalr-port";
import { watchBrowser } from "./connection/watch-browser";
import { followAddress, roomInAddress } from "./rooms/route";
import "./ui/base.css";
import { browserBox } from "./ui/storage";

const HUB = "/chatHub";

/** In development `?mock` puts a server made up inside the page in the place of the real one. */
async function openPort(query: URLSearchParams): Promise<OpenPort> {
  if (import.meta.env.DEV && query.has("mock")) return (await import("../mock/browser")).mockPort(query);
  return signalrPort(HUB);
}

async function main(): Promise<void> {
  const query = new URLSearchParams(location.search);
  const box = browserBox(() => localStorage);
  const identity = query.has("guest") ? browserBox(() => sessionStorage) : box;
  const chat = new Chat({ openPort: await openPort(query), identity, box, wantedRoom: roomInAddress });
  followAddress(chat.rooms);
  watchBrowser(chat.connection);
  const root = document.getElementById("root");
  if (!root) throw new Error("The page has no #root.");
  createRoot(root).render(
    <StrictMode>
      <ChatContext value={chat}>
        <App />
      </ChatContext>
    </StrictMode>,
  );
}

void main();

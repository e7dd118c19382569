import { useEffect } from "react";
import { Entrance } from "./account/Entrance";
import { Unreachable } from "./account/Unreachable";
import { ChatContext } from "./chat";
import { usePage } from "./page";
import { Rooms } from "./Rooms";
import { useValue } from "./ui/store";

/** Whatever the door says: the rooms, the way in, or the wait for the server. */
export function App() {
  const page = usePage();
  const door = useValue(page.session.door);
  const chat = useValue(page.chat);
  useValue(page.language.spoken); // texts are made when something is drawn
  const inside = door.kind === "open";
  useEffect(() => {
    if (!inside) document.title = "Hubline Chat";
  }, [inside]);
  if (door.kind === "unreachable") return <Unreachable retryAt={door.retryAt} />;
  if (door.kind === "closed") return <Entrance offers={door.offers} reason={door.reason} />;
  if (!inside || !chat) return <Boot />;
  return (
    <ChatContext value={chat}>
      <Rooms key={chat.user.id} />
    </ChatContext>
  );
}

/** What index.html shows until now, so that nothing flashes. */
function Boot() {
  return (
    <main className="boot">
      <h1 className="visually-hidden">Hubline Chat</h1>
      <img src="./favicon.svg" alt="" width="48" height="48" />
    </main>
  );
}

// A page in a room, in Strict Mode: two components that show the same room. `?hub=URL&room=NAME`.
import { HubConnectionBuilder, LogLevel } from "@microsoft/signalr";
import { StrictMode, useEffect, useState } from "react";
import { createRoot } from "react-dom/client";
import { keepConnected } from "../../src/index.js";
import { useRoom } from "../../src/react-rooms.js";

const query = new URLSearchParams(location.search);
const connection = new HubConnectionBuilder()
  .withUrl(query.get("hub") ?? "", { withCredentials: false })
  .configureLogging(LogLevel.None)
  .build();
const joins: unknown[] = [];
Object.assign(window, { joins });
const invoke = connection.invoke.bind(connection);
connection.invoke = <T,>(method: string, ...args: unknown[]) => {
  if (method.endsWith("Room")) joins.push(method);
  return invoke<T>(method, ...args);
};

function App() {
  const [name, setName] = useState<string | null>(query.get("room"));
  useEffect(() => {
    const kept = keepConnected(connection);
    return () => void kept.stop();
  }, []);
  return (
    <>
      <button onClick={() => setName(null)}>Leave</button>
      <Messages label="first" name={name} />
      <Messages label="second" name={name} />
    </>
  );
}

function Messages({ label, name }: { label: string; name: string | null }) {
  const [typing, setTyping] = useState(0);
  const room = useRoom<string>(connection, name, { device: "page", history: 2, onSignal: () => setTyping(typing + 1) });
  return (
    <section aria-label={label}>
      <p data-testid="live">{String(room.status.live)}</p>
      <p data-testid="members">{room.members.length}</p>
      <p data-testid="typing">{typing}</p>
      <output>{room.messages.map((message) => message.data).join()}</output>
      <input aria-label="Message" onKeyDown={(event) => event.key === "Enter" && void room.send(event.currentTarget.value)} />
      <button onClick={() => room.signal("typing")}>Type</button>
      <button onClick={() => void room.older(1)}>Older</button>
    </section>
  );
}

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <App />
    </StrictMode>,
  );
}

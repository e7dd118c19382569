// A page as an application has it, in Strict Mode: two components that show one run, and a list of the room's runs.
// `?hub=URL&run=ID&room=NAME`. What the tests ask it for is in `window.probe`.
import { HubConnectionBuilder, LogLevel } from "@microsoft/signalr";
import { StrictMode, useEffect, useState } from "react";
import { createRoot } from "react-dom/client";
import { keepConnected } from "../../src/index.js";
import { useConnectionState, useRun, useRuns } from "../../src/react.js";

declare global {
  interface Window {
    /** The streams that were asked for, in order: method and arguments. */
    probe: { streams: unknown[][]; starts: number };
    signalr: { HubConnectionBuilder: typeof HubConnectionBuilder };
  }
}

const query = new URLSearchParams(location.search);
const connection = new HubConnectionBuilder()
  .withUrl(query.get("hub") ?? "", { withCredentials: false })
  .configureLogging(LogLevel.None)
  .build();

window.signalr = { HubConnectionBuilder };
window.probe = { streams: [], starts: 0 };
const { probe } = window;
const stream = connection.stream.bind(connection);
connection.stream = <T,>(method: string, ...args: unknown[]) => {
  probe.streams.push([method, ...args]);
  return stream<T>(method, ...args);
};
const start = connection.start.bind(connection);
connection.start = () => {
  probe.starts += 1;
  return start();
};

function App() {
  const [shown, setShown] = useState(true);
  useEffect(() => {
    const kept = keepConnected(connection);
    return () => void kept.stop();
  }, []);
  return (
    <>
      <Connection />
      <button onClick={() => setShown(!shown)}>{shown ? "Hide" : "Show"}</button>
      {shown && <Answer name="first" />}
      {shown && <Answer name="second" />}
      <Room />
    </>
  );
}

function Connection() {
  const { status, error } = useConnectionState(connection);
  return <p data-testid="connection">{[status, error?.message].filter(Boolean).join(": ")}</p>;
}

function Answer({ name }: { name: string }) {
  const run = useRun(connection, query.get("run"), { storage: sessionStorage });
  return (
    <section aria-label={name}>
      <p data-testid="state">{run.state}</p>
      <p data-testid="live">{String(run.live)}</p>
      <output>{run.text}</output>
      <button onClick={() => void run.stop()}>Stop</button>
      {run.asks.map((ask) => (
        <button key={ask.askId} onClick={() => void run.answer(ask.askId, true)}>
          {ask.prompt}
        </button>
      ))}
    </section>
  );
}

function Room() {
  const { runs } = useRuns(connection, query.get("room"));
  return <p data-testid="runs">{runs.map((run) => run.state).join(" ")}</p>;
}

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <App />
    </StrictMode>,
  );
}
